"""Where tasks stand in line: what a scheduler gives them when they become ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.engine.durations import Durations
from tidemill.model.line import UNKNOWN_SECONDS, Line, place_of, rank_of, start_of
from tidemill.model.placement import lane_of
from tidemill.model.plan import Plan
from tidemill.model.pools import HELD, SHORT, Pool
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState
from tidemill.ports import Turn

_ANY = Pool()


def is_gated(run: RunRow, plan: Plan) -> bool:
    """Whether a run has to pass the gate: see `tidemill.engine.gate`. Who drives a run alone
    knows of no others."""
    return run.pooled and (run.queued or plan.definition.concurrency is not None)


class Standing:
    """The lines of all pools. `pools` is what is configured of some; `slots` what their
    workers have, as far as it was heard."""

    def __init__(self, pools: Mapping[str, Pool] | None = None) -> None:
        self.pools = pools or {}
        self.slots: Mapping[str, int] = {}
        self.durations = Durations()
        self._lines: dict[str | None, Line] = {}

    def pool(self, name: str) -> Pool:
        return self.pools.get(name, _ANY)

    def stand(self, tx: Turn, task: TaskRow, run: RunRow, plan: Plan, now: float) -> dict[str, Any]:
        """The fields of a task that becomes ready: since when, where in line and in which
        lane."""
        name = plan.definition.name
        self.durations.load(tx, [name], now)
        step = plan.steps[task.step].step.name
        expected = self.durations.of(name).get(step)
        rank = rank_of(task.priority, run.raised)
        slots = max(self.slots.get(task.pool or "", 1), 1)
        share = (UNKNOWN_SECONDS if expected is None else expected) / slots
        start = self._line(task).join(name, rank, now, share)
        slack = self.durations.ways(run.number, plan).slack(task.step)
        return {
            "ready_at": now,
            "place": place_of(start, rank, slack),
            "lane": self._lane(task, run, plan, expected),
        }

    def _lane(self, task: TaskRow, run: RunRow, plan: Plan, expected: float | None) -> int:
        if run.state is RunState.PENDING and is_gated(run, plan):
            return HELD
        if not task.pool:
            return SHORT
        placed = lane_of(plan.steps[task.step].step)
        return self.pool(task.pool).lane(expected) if placed is None else placed

    def offered(self, task: TaskRow, rank: int, plan: Plan) -> None:
        slack = self.durations.ways(task.run, plan).slack(task.step)
        self._line(task).served(rank, start_of(task.place, rank, slack))

    def empty(self, pool: str | None) -> None:
        """Nobody waits in this pool's line any more."""
        if pool in self._lines:
            self._lines[pool].empty()

    def _line(self, task: TaskRow) -> Line:
        return self._lines.setdefault(task.pool, Line())
