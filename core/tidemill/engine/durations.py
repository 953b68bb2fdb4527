"""How long steps have taken: learned from results, and what is expected from it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from tidemill.model.expected import Ways, ways
from tidemill.model.line import UNKNOWN_SECONDS
from tidemill.model.plan import Plan
from tidemill.model.rows import DurationRow
from tidemill.ports import Turn

REREAD_SECONDS = 60.0
"""After so long, what others have learned is read again."""

WRITE_SECONDS = 5.0
"""For so long, at most, what was learned waits for more to be written with. It is lost where
the scheduler dies meanwhile, and nothing else is."""


class Took(NamedTuple):
    """An attempt that succeeded, and how long it took, in seconds."""

    pipeline: str
    step: str
    seconds: float


def expected(tx: Turn, pipeline: str) -> Mapping[str, float]:
    """The seconds that the steps of a pipeline take by what is known now, by name."""
    return {row.step: row.mean for row in tx.durations([pipeline])}


class Durations:
    """What a scheduler knows, by pipeline and step."""

    def __init__(self) -> None:
        self._means: dict[str, dict[str, float]] = {}
        self._read_at: dict[str, float] = {}
        self._pending: list[Took] = []
        self._learned: list[Took] = []
        self._written_at = 0.0
        self._writes = False
        self._ways: dict[int, Ways] = {}
        self._latest: dict[tuple[str, str], float] = {}

    def load(self, tx: Turn, pipelines: Iterable[str], now: float) -> None:
        """Reads what is not known yet, or was read long ago."""
        stale = {
            name
            for name in pipelines
            if now - self._read_at.get(name, -REREAD_SECONDS) >= REREAD_SECONDS
        }
        if not stale:
            return
        found: dict[str, dict[str, float]] = {name: {} for name in stale}
        for row in tx.durations(stale):
            found[row.pipeline][row.step] = row.mean
        self._means |= found
        self._read_at |= dict.fromkeys(stale, now)

    def of(self, pipeline: str) -> Mapping[str, float]:
        """The expected seconds by step, of a pipeline that was loaded."""
        return self._means.get(pipeline, {})

    def latest(self, pipeline: str, step: str) -> float:
        """The seconds that a step took when this scheduler last saw it end; else what is
        expected of it; else 0."""
        known = self._latest.get((pipeline, step))
        return self.of(pipeline).get(step, 0.0) if known is None else known

    def ways(self, run: int, plan: Plan) -> Ways:
        """Those of a run, as they were expected when it was first asked for."""
        found = self._ways.get(run)
        if found is None:
            known = self.of(plan.definition.name)
            found = self._ways[run] = ways(plan, known, UNKNOWN_SECONDS if known else 0.0)
        return found

    def forget(self, run: int) -> None:
        self._ways.pop(run, None)

    def retain(self, runs: Container[int]) -> None:
        """Forgets all others: they can be worked out again."""
        self._ways = {run: found for run, found in self._ways.items() if run in runs}

    # learning

    def write(self, tx: Turn, took: Sequence[Took], now: float, *, at_once: bool) -> None:
        """Has what was learned written, in this transaction or a later one."""
        self._learned = list(took)
        self._latest |= {(each.pipeline, each.step): each.seconds for each in took}
        everything = [*self._pending, *took]
        self._writes = bool(everything) and (at_once or now - self._written_at >= WRITE_SECONDS)
        if self._writes:
            tx.learn(batches(everything))

    def kept(self, now: float) -> None:
        """The transaction was committed."""
        if self._writes:
            self._pending, self._written_at = [], now
        else:
            self._pending += self._learned
        self._learned, self._writes = [], False


def batches(took: Iterable[Took]) -> list[DurationRow]:
    """By step: how often, how long in the mean, and how far from it in the mean."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for each in took:
        seconds.setdefault((each.pipeline, each.step), []).append(each.seconds)
    rows = []
    for (pipeline, step), found in sorted(seconds.items()):
        mean = sum(found) / len(found)
        spread = sum(abs(each - mean) for each in found) / len(found)
        rows.append(DurationRow(pipeline, step, len(found), mean, spread))
    return rows
