"""Many seeds, over several processes; what came of them, and the story of one that broke a
promise."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.testing.simulation.promises import BrokenPromiseError
from tidemill.testing.simulation.story import Report, simulate

CHUNK = 5
"""Seeds that a process is given at a time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one seed: `broken` says which promise was, if any; `cpu` is in seconds."""

    seed: int
    report: Report | None
    broken: str
    cpu: float


def tell(seed: int) -> Told:
    """One seed. Whatever goes wrong in it is a broken promise, an error of ours too."""
    since = time.process_time()
    try:
        report, broken = simulate(seed), ""
    except BrokenPromiseError as error:
        report, broken = None, str(error)
    except Exception as error:  # noqa: BLE001  the other seeds are to be told
        report, broken = None, f"seed {seed}: {error!r}"
    gc.collect()
    return Told(seed, report, broken, time.process_time() - since)


def tell_all(seeds: Sequence[int], jobs: int) -> Iterator[Told]:
    """In the order in which they come to their ends."""
    if jobs == 1:
        before = logging.root.manager.disable
        _quietly()
        try:
            yield from map(tell, seeds)
        finally:
            logging.disable(before)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _quietly) as pool:
        yield from pool.imap_unordered(tell, seeds, CHUNK)


def _quietly() -> None:
    """Nobody reads what the engine says about trouble in a story; and what is there before
    the first one never is garbage."""
    logging.disable(logging.WARNING)
    gc.freeze()


@dataclass(slots=True)
class Summary:
    """What came of many seeds. Times are in seconds: `virtual` in the stories, `cpu` here."""

    seeds: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    virtual: float = 0.0
    cpu: float = 0.0
    broken: dict[int, str] = field(default_factory=dict)
    """By seed."""
    _cpus: list[float] = field(default_factory=list)

    def add(self, told: Told) -> None:
        self.seeds += 1
        self.cpu += told.cpu
        self._cpus.append(told.cpu)
        if told.report is None:
            self.broken[told.seed] = told.broken
            return
        self.runs.update(told.report.runs)
        self.tasks.update(told.report.tasks)
        self.faults.update(told.report.faults)
        self.attempts += told.report.attempts
        self.virtual += told.report.seconds

    @property
    def median(self) -> float:
        ordered = sorted(self._cpus)
        return ordered[len(ordered) // 2] if ordered else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds,
            "cpu_seconds": round(self.cpu, 1),
            "median_cpu_seconds": round(self.median, 3),
            "virtual_seconds": round(self.virtual, 1),
            "attempts": self.attempts,
            "runs": dict(self.runs),
            "tasks": dict(self.tasks),
            "faults": dict(self.faults),
            "broken": {str(seed): what for seed, what in self.broken.items()},
        }

    def lines(self) -> Iterator[str]:
        yield f"{self.seeds} seeds: {self.cpu:.0f} s of CPU, {self.median:.2f} s for the median"
        yield f"virtual time   {self.virtual / 3600:.1f} h"
        yield f"attempts       {self.attempts}"
        for name, counts in (("runs", self.runs), ("tasks", self.tasks), ("faults", self.faults)):
            yield f"{name:14s} {counts.total()}"
            yield from (f"  {count:8d}  {kind}" for kind, count in counts.most_common())
        yield f"broken         {len(self.broken)}"
        yield from (f"  {what}" for what in self.broken.values())


def story_of(seed: int, last: int | None) -> list[str]:
    """The last lines of the story of a seed; all of them for None."""
    lines: deque[str] = deque(maxlen=last)
    told: Callable[[str], None] = lines.append
    try:
        simulate(seed, tell=told)
    except Exception as error:  # noqa: BLE001  it is what the story is told for
        lines.append(f"{type(error).__name__}: {error}")
    return list(lines)
