"""The gate that runs pass one after another: those of a schedule that queues them, and those
of a pipeline whose `concurrency` is limited.

A run that has to pass it is pending, and its tasks are held out of the line, so that no turn
comes across them. Whenever a run ends behind which others wait, the first of these are
looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.reserving import was_made_ahead
from tidemill.engine.standing import Standing, is_gated
from tidemill.model.rows import RunRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent
from tidemill.ports import Transaction

LOOKED_AT = 10
"""Runs that are looked at when one has ended behind which more wait."""

AT_WORK = frozenset({RunState.RUNNING, RunState.CANCELLING})


@dataclass(slots=True)
class Gate:
    """Works in one transaction, on runs that the ledger holds."""

    tx: Transaction
    ledger: Ledger
    plans: Plans
    standing: Standing
    called: bool = False
    """Whether runs are to be looked at in the next turn."""

    def admit_late(self) -> None:
        """The same for runs that were made after it, whose steps are offered in another turn:
        nobody else would look at them before one has ended."""
        self.called |= self.admit()

    def admit(self) -> bool:
        """Starts those of the runs in hand that may; whether any was."""
        waiting = [r for r in self.ledger.runs() if self._is_waiting(r)]
        if not waiting:
            return False
        limits = {run.pipeline: self._limit(run) for run in waiting}
        limited = sorted(name for name, limit in limits.items() if limit is not None)
        room = {}
        if limited:
            self.tx.lock("concurrency", limited)
            at_work = self.tx.at_work(limited)
            room = {name: (limits[name] or 0) - self._now(name, at_work[name]) for name in limited}
        behind = self._behind_earlier(waiting)
        for run in sorted(waiting, key=lambda run: run.number):
            if room.get(run.pipeline, 1) > 0 and run.number not in behind:
                self._start(run)
                if run.pipeline in room:
                    room[run.pipeline] -= 1
        return any(self.ledger.run(run.number).state is not RunState.PENDING for run in waiting)

    def _is_waiting(self, run: RunRow) -> bool:
        return run.state is RunState.PENDING and is_gated(run, self.plans.of(run.number))

    def _limit(self, run: RunRow) -> int | None:
        return self.plans.of(run.number).definition.concurrency

    def _now(self, pipeline: str, stored: set[int]) -> int:
        """How many of its runs are at work, of which `stored` are stored as such."""
        numbers = set(stored)
        for run in self.ledger.runs():
            if run.pipeline == pipeline:
                (numbers.add if run.state in AT_WORK else numbers.discard)(run.number)
        return len(numbers)

    def _behind_earlier(self, waiting: Sequence[RunRow]) -> set[int]:
        """Of these runs, those before which an earlier one of their schedule has to end."""
        queued = [run for run in waiting if run.queued]
        first = self._first_open({run.schedule for run in queued if run.schedule is not None})
        return {run.number for run in queued if first.get(run.schedule, run.number) < run.number}

    def _first_open(self, schedules: Iterable[int]) -> dict[int | None, int]:
        """By schedule, the first of its runs that has not ended. Who queues a run and who ends
        the one before it wait for each other: else neither would see what the other does."""
        wanted = sorted(schedules)
        self.tx.lock("queue", [str(number) for number in wanted])
        stored = self.tx.open_runs_of(wanted) if wanted else {}
        left = {schedule: self.ledger.still_open(runs) for schedule, runs in stored.items()}
        return {schedule: runs[0] for schedule, runs in left.items() if runs}

    def _start(self, run: RunRow) -> None:
        """Its tasks get into line now: what it waited for is not theirs."""
        run = self.ledger.move_run(run.number, RunEvent.START, started_at=self.ledger.now)
        plan = self.plans.of(run.number)
        for task in self.ledger.newest(self.tx.open_tasks(run.number)):
            if task.state is TaskState.READY:
                stands = self.standing.stand(self.tx, task, run, plan, self.ledger.now)
                self.ledger.place(task, stands)

    def call(self, ended: Sequence[RunRow]) -> None:
        """Has those looked at that wait for one of these runs, which have ended."""
        pipelines = {r.pipeline for r in ended if self._has_limit(r)}
        queues = [r for r in ended if r.queued or was_made_ahead(r)]
        schedules = {r.schedule for r in queues if r.schedule is not None}
        self.tx.lock("concurrency", sorted(pipelines))  # who is refused now is seen here, then
        for pipeline in sorted(pipelines):
            self._signal(self.tx.waiting_runs(pipeline, LOOKED_AT))
        self._signal(self._first_open(schedules).values())

    def _has_limit(self, run: RunRow) -> bool:
        plan = self.plans.find(run.number)
        return plan is not None and plan.definition.concurrency is not None

    def _signal(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.tx.signal(number)
            self.called = True
