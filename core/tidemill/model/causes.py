"""What started a run: JSON in `RunRow.cause`, of which `kind` says what the rest means.

| kind | beside it |
|---|---|
| `manual` | `by` |
| `retry` | `run` (the one that it goes on with), `by` |
| `schedule` | `schedule`, `due_at` |
| `backfill` | `backfill`, `due_at`, `by` |
| `pipeline` | `pipeline`, `run`, `state`, `trigger`, `depth` |
| `event`, `webhook` | `source`, `trigger`, `arrival` |

A run that is part of another one has none: its parent has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.model.rows import RunRow

DEEPEST = 32
"""Runs that may have started one another, by the end of each, before it is a cycle."""

Cause = Mapping[str, Any]


def manual(by: str) -> Cause:
    return {"kind": "manual", "by": by}


def retry(run: int, by: str) -> Cause:
    return {"kind": "retry", "run": run, "by": by}


def schedule(number: int, due_at: float) -> Cause:
    return {"kind": "schedule", "schedule": number, "due_at": due_at}


def end_of(run: RunRow, trigger: int) -> Cause:
    """The end of another pipeline's run."""
    return {
        "kind": "pipeline",
        "pipeline": run.pipeline,
        "run": run.number,
        "state": run.state.value,
        "trigger": trigger,
        "depth": depth_of(run.cause) + 1,
    }


def arrival(kind: str, source: str, trigger: int, seq: int) -> Cause:
    """An event or a webhook's request, by the number under which it was received."""
    return {"kind": kind, "source": source, "trigger": trigger, "arrival": seq}


def depth_of(cause: Cause) -> int:
    """How many ends of runs led to it, one after the other."""
    depth = cause.get("depth", 0)
    return depth if isinstance(depth, int) else 0


def started_by(run: RunRow) -> str:
    """The kind, in the words of the language: what a person does is `manual`."""
    kind = str(run.cause.get("kind", "manual" if run.schedule is None else "schedule"))
    return "manual" if kind == "retry" else kind
