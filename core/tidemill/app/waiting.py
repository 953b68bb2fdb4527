"""Why a step that may run has not started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidelang.values import duration_text
from tidemill.app.placement import waits_for_worker
from tidemill.engine.standing import is_gated
from tidemill.model.line import aged, rank_of
from tidemill.model.messages import PRIORITIES
from tidemill.model.plan import Plan
from tidemill.model.pools import HELD, LONG, Pool
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.store.history import SqlHistory


@dataclass(frozen=True, slots=True)
class Waiting:
    """`pools` is what is configured of them; a worker that was not heard for `lease` seconds
    is not there."""

    sql: SqlHistory
    pools: Mapping[str, Pool]
    lease: float

    def why(self, run: RunRow, plan: Plan, task: TaskRow, now: float) -> str:
        """What a ready or queued task waits for; empty where that cannot be told."""
        if task.state is TaskState.QUEUED:
            return self._offered(task, now)
        if task.pool is None:
            return ""
        return (
            self._gate(run, plan, task)
            or self._timer(task, now)
            or self._limits(plan, task)
            or waits_for_worker(self.sql, self.lease, plan, task, now)
            or task.detail
            or self._line(run, task, now)
        )

    def _offered(self, task: TaskRow, now: float) -> str:
        to = f"worker {task.target}" if task.target else f"the workers of pool {task.pool}"
        if not task.target and task.pool and not self._slots(task.pool, now):
            return f"it was offered to {to}, and none is there now"
        return f"it was offered to {to}, and is to be taken by one that is free"

    def _gate(self, run: RunRow, plan: Plan, task: TaskRow) -> str:
        if task.lane != HELD or run.state is not RunState.PENDING or not is_gated(run, plan):
            return ""
        limit = plan.definition.concurrency
        going = self.sql.runs_at_work(run.pipeline)
        if limit is not None and len(going) >= limit:
            named = ", ".join(str(number) for number in going[:5])
            return f"its run waits for one of {named} to end: `concurrency` is {limit}"
        earlier = [n for n in self.sql.open_runs_of(run.schedule or 0) if n < run.number]
        if earlier:
            return f"its run waits for run {earlier[0]} of the same schedule: `overlap` is queue"
        return "its run is about to start"

    @staticmethod
    def _timer(task: TaskRow, now: float) -> str:
        if task.run_at is None or task.run_at <= now:
            return ""
        return f"it may start in {_words(task.run_at - now)}"

    def _limits(self, plan: Plan, task: TaskRow) -> str:
        limit = plan.steps[task.step].step.max_parallel
        if limit is not None and self.sql.at_work_of(task.run, task.step) >= limit:
            return f"{limit} of its fan-out are at work, which is its `max_parallel`"
        limit = plan.definition.max_parallel
        if limit is not None and self.sql.at_work_of(task.run) >= limit:
            return f"{limit} steps of its run are at work, which is its `max_parallel`"
        return ""

    def _line(self, run: RunRow, task: TaskRow, now: float) -> str:
        pool = task.pool or ""
        if not pool:
            return "it is handed over to a run of its own as soon as workers are short of work"
        slots, at_work = self._slots(pool, now), self.sql.at_work_in(pool)
        if not slots:
            return f"no worker of pool {pool} is there: `tidemill worker --pool {pool}` starts one"
        rule = self.pools.get(pool, Pool())
        if rule.slots is not None and at_work >= rule.slots:
            return f"{at_work} steps of pool {pool} are at work, and its slots are {rule.slots}"
        ahead = self.sql.ahead(task)
        before = f"{ahead} stand before it" if ahead else "it is the next one"
        lane = ""
        if task.lane == LONG:
            lane = f"; it is expected to take long, and {rule.for_long(slots)} slots are for such"
        said = f"pool {pool} has {slots} slots, {min(at_work, slots)} of them taken; {before}"
        return f"{said}{self._rank(run, task, now)}{lane}"

    @staticmethod
    def _rank(run: RunRow, task: TaskRow, now: float) -> str:
        waited = 0.0 if task.ready_at is None else max(now - task.ready_at, 0.0)
        word = f" (priority {PRIORITIES[task.priority]}"
        rank = aged(rank_of(task.priority, run.raised), waited)
        if rank < task.priority:
            word += f", as {PRIORITIES[rank]} by now"
        return f"{word}, for {_words(waited)} in line)"

    def _slots(self, pool: str, now: float) -> int:
        return sum(
            worker.slots
            for worker, _ in self.sql.workers()
            if worker.pool == pool and not worker.draining and now - worker.heard_at <= self.lease
        )


def _words(seconds: float) -> str:
    return duration_text(max(round(seconds), 1) * 1000)
