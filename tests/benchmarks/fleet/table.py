"""What was measured: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HEAD = ("case", "what", "median", "min", "max", "unit", "how")


@dataclass(frozen=True)
class Row:
    """One figure, as often as it was measured. No values: `how` says why there are none."""

    case: str
    what: str
    unit: str
    values: tuple[float, ...]
    how: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def cells(self) -> tuple[str, ...]:
        if not self.values:
            return self.case, self.what, "none", "", "", self.unit, self.how
        shown = [shorten(x) for x in (self.median, min(self.values), max(self.values))]
        return self.case, self.what, *shown, self.unit, self.how


def shorten(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Table:
    """Rows as they come; each is printed at once, all of them once more at the end."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._since = time.monotonic()
        self._machine = machine()

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.rows.append(row)
            print(f"  {' | '.join(row.cells())}", flush=True)

    def print(self) -> None:
        about = self._machine
        print(f"\n{about['date']}, {about['processors']} processors, {about['memory_gib']} GiB,")
        print(f"{about['system']}, Python {about['python']}; load {about['load']} at the start,")
        print(f"{machine()['load']} at the end; {time.monotonic() - self._since:.0f} s in all\n")
        _print(HEAD, [row.cells() for row in self.rows])

    def write(self, target: Path) -> None:
        data = {
            "machine": self._machine,
            "load_at_the_end": machine()["load"],
            "seconds": time.monotonic() - self._since,
            "rows": [asdict(row) | _median(row) for row in self.rows],
        }
        target.write_text(json.dumps(data, indent=1) + "\n")


def _median(row: Row) -> dict[str, float]:
    return {"median": row.median} if row.values else {}


def _print(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if 2 <= at <= 4 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")


def machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
