"""What happened, in figures: as JSON, and as a few lines for people."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from chaos_checks import Checks
from chaos_end import MISSED, OUTCOMES, REFUSED
from chaos_faults import Fault

from fleet import Fleet


def report(
    fleet: Fleet, faults: Sequence[Fault], checks: Checks, idle: float, settings: dict[str, Any]
) -> dict[str, Any]:
    """`idle` is when no more work was asked for: from then on nobody had to hurry."""
    starts = sorted(start for start in checks.starts if start < idle)
    return {
        **settings,
        "faults": len(faults),
        "faults by kind": dict(sorted(Counter(fault.kind for fault in faults).items())),
        "faults at work at a time": _at_a_time(faults),
        "runs": dict(sorted(Counter(checks.checked.values()).items())),
        **dict(sorted(checks.counts.items())),
        "seconds from a due time to its first step": {
            name: percentiles(found) for name, found in sorted(checks.across.late.items())
        },
        "missed, and counted": {str(name): count for name, count in fleet.query(MISSED)},
        "attempts by outcome": {str(name): count for name, count in fleet.query(OUTCOMES)},
        "refused": {str(name): count for name, count in fleet.query(REFUSED)},
        "seconds until an interrupted step was at work again": percentiles(checks.resumed),
        "seconds without any step begun": percentiles(
            [after - before for before, after in itertools.pairwise(starts)]
        ),
        "seconds from a fault to the next step begun": _after_faults(faults, starts),
        "problems": checks.problems,
    }


def _after_faults(faults: Sequence[Fault], starts: Sequence[float]) -> dict[str, Any]:
    waits: dict[str, list[float]] = defaultdict(list)
    for fault in faults:
        at = bisect.bisect(starts, fault.at)
        if at < len(starts):
            waits[fault.kind].append(starts[at] - fault.at)
    return {kind: percentiles(found) for kind, found in sorted(waits.items())}


def _at_a_time(faults: Sequence[Fault]) -> dict[str, float]:
    """How many faults were at work when another one came, that one among them."""
    return percentiles(
        [
            sum(other.at <= fault.at <= other.at + other.seconds for other in faults)
            for fault in faults
        ]
    )


def timeline(starts: Sequence[float]) -> dict[int, int]:
    """How many steps began in each second."""
    return dict(sorted(Counter(int(start) for start in starts).items()))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    last = len(ordered) - 1
    found = {f"p{part}": ordered[round(last * part / 100)] for part in (50, 90, 99)}
    return {"n": len(ordered)} | {k: round(v, 3) for k, v in (found | {"max": ordered[-1]}).items()}


def shown(found: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in found.items():
        if isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()):
            lines += [f"{indent}{name}:", shown(value, indent + "  ")]
        elif isinstance(value, dict):
            lines.append(f"{indent}{name}: " + ", ".join(f"{k} {v}" for k, v in value.items()))
        else:
            lines.append(f"{indent}{name}: {value}")
    return "\n".join(lines)
