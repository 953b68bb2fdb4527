"""The gate that runs pass one after another: those of a schedule that queues them, and those
of a pipeline whose `concurrency` is limited.

A run that has to pass it is pending, and its tasks are held out of the line, so that no turn
comes across them. Whenever a run ends behind which others may wait, the next turn looks who
does, and the one after it at the first of these again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """Works in one transaction, on runs that the ledger holds.

    Schedulers wait for each other here, and where a pool has slots of its own (see
    `tidemill.engine.dispatch`): all lock what they need of pipelines first, then of schedules,
    then of pools, so that no two wait for each other. For that reason nobody passes the gate
    twice in a transaction: what comes late is signalled, and looked at in the next."""

    tx: Transaction
    ledger: Ledger
    plans: Plans
    standing: Standing
    called: bool = False
    """Whether runs are to be looked at in the next turn."""
    _looked_at: frozenset[int] = frozenset()

    def pass_on(self, told: Iterable[int]) -> None:
        """Starts those of the runs in hand that may. `told` are runs that somebody signalled:
        where one of them has ended, those that wait for it are signalled in turn."""
        numbers = set(told)
        waiting = [run for run in self.ledger.runs() if self._is_waiting(run)]
        ended = [r for r in self.ledger.runs() if r.number in numbers and r.state.ended]
        if not waiting and not ended:
            return
        limited = sorted(r.pipeline for r in [*waiting, *ended] if self._limit(r) is not None)
        self.tx.lock("concurrency", limited)
        first = self._first_open({*_schedules(waiting), *_schedules(ended)})
        self._admit(waiting, first)
        self._looked_at = frozenset(run.number for run in waiting)
        self._call(ended, first)

    def note(self) -> None:
        """Signals what has come about since: runs that were made, and runs that have ended,
        of each pipeline and schedule the first."""
        late = {run.number for run in self.ledger.runs() if self._is_waiting(run)}
        ended: dict[tuple[str, int | None], int] = {}
        for run in self.ledger.moved_runs:
            if run.state.ended and (self._limit(run) is not None or _schedules([run])):
                ended.setdefault((run.pipeline, run.schedule), run.number)
        self._signal({*(late - self._looked_at), *ended.values()})

    def _admit(self, waiting: Sequence[RunRow], first: Mapping[int, int]) -> None:
        limits = {run.pipeline: self._limit(run) for run in waiting}
        limited = {name: limit for name, limit in limits.items() if limit is not None}
        at_work = self.tx.at_work(limited) if limited else {}
        room = {name: limit - self._now(name, at_work[name]) for name, limit in limited.items()}
        for run in sorted(waiting, key=lambda run: run.number):
            behind = run.queued and first.get(run.schedule or 0, run.number) < run.number
            if room.get(run.pipeline, 1) > 0 and not behind:
                self._start(run)
                if run.pipeline in room:
                    room[run.pipeline] -= 1

    def _is_waiting(self, run: RunRow) -> bool:
        return run.state is RunState.PENDING and is_gated(run, self.plans.of(run.number))

    def _limit(self, run: RunRow) -> int | None:
        plan = self.plans.find(run.number)
        return None if plan is None else plan.definition.concurrency

    def _now(self, pipeline: str, stored: set[int]) -> int:
        """How many of its runs are at work, of which `stored` are stored as such."""
        numbers = set(stored)
        for run in self.ledger.runs():
            if run.pipeline == pipeline:
                (numbers.add if run.state in AT_WORK else numbers.discard)(run.number)
        return len(numbers)

    def _first_open(self, schedules: Collection[int]) -> dict[int, int]:
        """By schedule, the first of its runs that has not ended. Who queues a run and who ends
        the one before it wait for each other: else neither would see what the other does."""
        if not schedules:
            return {}
        self.tx.lock("queue", [str(number) for number in sorted(schedules)])
        stored = self.tx.open_runs_of(sorted(schedules))
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

    def _call(self, ended: Sequence[RunRow], first: Mapping[int, int]) -> None:
        for pipeline in sorted({run.pipeline for run in ended if self._limit(run) is not None}):
            self._signal(self.tx.waiting_runs(pipeline, LOOKED_AT))
        schedules = _schedules(ended)
        self._signal(number for schedule, number in first.items() if schedule in schedules)

    def _signal(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.tx.signal(number)
            self.called = True


def _schedules(runs: Iterable[RunRow]) -> set[int]:
    """Those of which runs may wait for these, or these for others."""
    queues = (run.schedule for run in runs if run.queued or was_made_ahead(run))
    return {schedule for schedule in queues if schedule is not None}
