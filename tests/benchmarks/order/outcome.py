"""What came of a load: how long tasks waited, how long runs took, which deadlines were
missed, and how many slots were in use."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from order.loads import Arrival

POINTS = 120
"""Spans of time that pictures show."""


@dataclass
class Outcome:
    """`waits` are the seconds from ready to started, by rank; `begun` and `over` the moments
    at which tasks were started and ended."""

    slots: int
    waits: dict[int, list[float]] = field(default_factory=dict)
    ends: list[tuple[Arrival, float]] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    most: int = 0
    """Slots that were in use at a time."""

    def started(self, rank: int, waited: float, now: float) -> None:
        self.waits.setdefault(rank, []).append(waited)
        self.begun.append(now)

    @property
    def end(self) -> float:
        return max((at for _, at in self.ends), default=0.0)

    @property
    def flows(self) -> list[float]:
        """How long each run took, from when it came."""
        return [at - run.at for run, at in self.ends]

    @property
    def used(self) -> float:
        """The share of the slots that was in use until the last run came: what comes after is
        but the rest."""
        last = max(run.at for run, _ in self.ends) or self.end
        busy = sum(min(at, last) for at in self.over) - sum(min(at, last) for at in self.begun)
        return busy / (self.slots * last)

    def missed(self) -> tuple[int, int]:
        """How many deadlines were missed, of how many."""
        late = [at > run.deadline for run, at in self.ends if run.deadline is not None]
        return sum(late), len(late)

    def timeline(self, points: int, until: float) -> list[float]:
        """The share of slots in use in each of so many spans of equal length."""
        busy, width = [0.0] * points, until / points
        for moments, sign in ((self.begun, 1), (self.over, -1)):
            for at in moments:
                _used_from(busy, width, at, sign)
        total, found = 0.0, []
        for each in busy:
            total += each
            found.append(total / (self.slots * width))
        return found


def _used_from(busy: list[float], width: float, at: float, sign: int) -> None:
    """Notes what a slot that is in use from here on adds to its span, and to all later ones."""
    span = int(at / width)
    if span < len(busy):
        part = (span + 1) * width - at
        busy[span] += sign * part
        if span + 1 < len(busy):
            busy[span + 1] += sign * (width - part)


@dataclass(frozen=True)
class Summary:
    """What tables and pictures need of an outcome. `waits` are mean and 99th percentile, by
    rank; `spans` the share of slots in use, in spans of equal length until `until`."""

    order: str
    slots: int
    tasks: int
    waits: list[tuple[float, float]]
    flow: tuple[float, float]
    missed: tuple[int, int]
    used: float
    most: int
    until: float
    spans: list[float]
    cpu: float
    """Seconds of a processor that the simulation took."""
    turns: int = 0

    @classmethod
    def of(cls, order: str, found: Outcome, until: float, cpu: float, turns: int = 0) -> Summary:
        waits = [found.waits.get(rank, []) for rank in range(5)]
        return cls(
            order, found.slots, len(found.over),
            [(mean(each), percentile(each, 0.99)) for each in waits],
            (mean(found.flows), percentile(found.flows, 0.99)),
            found.missed(), found.used, found.most,
            until, found.timeline(POINTS, until), cpu, turns,
        )  # fmt: skip

    def stored(self, target: Path) -> None:
        target.write_text(json.dumps(asdict(self)) + "\n", "utf-8")

    @classmethod
    def read(cls, source: Path) -> Summary:
        return cls(**json.loads(source.read_text("utf-8")))


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest of these values that this share of them does not exceed."""
    ordered: Sequence[float] = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0
