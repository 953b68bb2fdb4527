"""A fleet that lacks one of the means by which it keeps its promises is found out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tidemill.app import applying as applying_module
from tidemill.engine import booking as booking_module
from tidemill.engine import deadlines as deadlines_module
from tidemill.engine.booking import Booking
from tidemill.engine.dispatch import Dispatch
from tidemill.engine.gate import Gate
from tidemill.engine.ledger import Ledger
from tidemill.engine.overdue import Overdue
from tidemill.engine.placing import Places
from tidemill.engine.plans import Plans, plan_of
from tidemill.engine.reacting import Reacting
from tidemill.model.messages import Order, Result, Started
from tidemill.model.rows import AlarmRow, BackfillRow, NoticeRow, RunRow, ScheduleRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.model.transitions import TaskEvent
from tidemill.model.triggers import ArrivalRow
from tidemill.ports import Transaction
from tidemill.store.transaction import SqlTransaction
from tidemill.testing.simulation import BrokenPromiseError, simulate
from tidemill.testing.simulation import planners as planners_module
from tidemill.testing.simulation.ends import SimulatedWorkerEnd
from tidemill.worker import worker as worker_module
from tidemill.worker.reservation import Reservation
from tidemill.worker.worker import Worker

Breaks = Callable[[pytest.MonkeyPatch], None]

SEEDS = 1_000
"""Among so many each must be found."""


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """A result counts whatever its fence is."""
    honest = Booking.result

    def result(self: Booking, report: Result) -> None:
        task = self.ledger.task(report.ref)
        if task is not None and task.state in {TaskState.QUEUED, TaskState.RUNNING}:
            report = replace(report, fence=task.fence, worker=task.worker or report.worker)
        honest(self, report)

    patch.setattr(Booking, "result", result)


def no_self_fencing(patch: pytest.MonkeyPatch) -> None:
    """A worker goes on with what it holds, whoever hears of it."""

    async def never(self: Worker) -> None:
        del self

    patch.setattr(Worker, "_fence", never)


def no_lease(patch: pytest.MonkeyPatch) -> None:
    """A claim has no end."""
    honest = Booking.started

    def started(self: Booking, report: Started) -> None:
        honest(self, report)
        task = self.ledger.task(report.ref)
        if task is not None and task.state is TaskState.RUNNING:
            self.ledger._put(task, task._replace(run_at=None))  # noqa: SLF001

    patch.setattr(Booking, "started", started)


def no_unique_row(patch: pytest.MonkeyPatch) -> None:
    """Nothing but the schedule's own row says what was fired, and its change gets lost at
    times, as it would if it were not of one transaction with the run."""
    dice = random.Random(1)  # noqa: S311
    honest, new_runs = SqlTransaction.save_schedules, SqlTransaction.new_runs

    def save(self: SqlTransaction, rows: Sequence[ScheduleRow]) -> None:
        honest(self, [row for row in rows if row.next_due is None or dice.random() < 0.8])

    def make(self: SqlTransaction, runs: Sequence[RunRow]) -> list[int]:
        self._connection.exec_driver_sql("DROP INDEX IF EXISTS run_of_schedule")
        return new_runs(self, runs)

    patch.setattr(SqlTransaction, "save_schedules", save)
    patch.setattr(SqlTransaction, "new_runs", make)
    patch.setattr(SqlTransaction, "latest_due", lambda *_: {})


def no_claim(patch: pytest.MonkeyPatch) -> None:
    """A worker starts what it was given, whoever has claimed it."""
    honest = SimulatedWorkerEnd.claim

    async def claim(self: SimulatedWorkerEnd, order: Order, worker: str, at: float) -> bool:
        await honest(self, order, worker, at)
        return True

    patch.setattr(SimulatedWorkerEnd, "claim", claim)


def no_withdrawal(patch: pytest.MonkeyPatch) -> None:
    """An offer that nobody was heard to take is made again beside the first one."""

    def withdraw(self: Overdue, booking: Booking, task: TaskRow) -> None:
        del self
        booking.ledger.move(task, TaskEvent.VOID)

    patch.setattr(Overdue, "_withdraw", withdraw)


def no_doubt(patch: pytest.MonkeyPatch) -> None:
    """What may have been begun is offered again, also where it may be started once."""

    def forgotten(self: Booking, task: TaskRow) -> None:
        self.ledger.move(task, TaskEvent.VOID)

    patch.setattr(Booking, "forgotten", forgotten)


def no_at_most_once(patch: pytest.MonkeyPatch) -> None:
    """A lost attempt is followed by another one, of every step."""
    honest = booking_module.retry_delay

    def delay(step: Any, attempt: int, event: TaskEvent) -> float | None:
        return honest(replace(step, idempotent=True), attempt, event)

    patch.setattr(booking_module, "retry_delay", delay)


def no_room(patch: pytest.MonkeyPatch) -> None:
    """Nobody counts what a worker has to do already: no scheduler, and not the worker."""
    patch.setattr(Places, "_count", lambda _: {})
    patch.setattr(worker_module, "has_room", lambda *_: True)


def no_limit_of_a_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Dispatch, "_stage_full", lambda *_: False)


def no_limit_of_a_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Dispatch, "_run_full", lambda *_: False)


def no_gate(patch: pytest.MonkeyPatch) -> None:
    """Runs start whatever the concurrency of their pipeline is."""
    patch.setattr(Gate, "_limit", lambda *_: None)


def no_queue(patch: pytest.MonkeyPatch) -> None:
    """A run starts beside the one that it is queued behind."""
    patch.setattr(Gate, "_first_open", lambda *_: {})


def no_look_behind_an_end(patch: pytest.MonkeyPatch) -> None:
    """When a run has ended nobody looks who waits for it."""
    patch.setattr(Gate, "_call", lambda *_: None)


def no_order_of_notices(patch: pytest.MonkeyPatch) -> None:
    """What is due is sent, whatever came before it."""

    def take(self: SqlTransaction, now: float, until: float, *_: Any) -> list[NoticeRow]:
        due = [row for row in self.waiting_notices(99) if (row.due_at or now) <= now]
        taken = [row._replace(tries=row.tries + 1, due_at=until) for row in reversed(due)]
        for row in taken:
            changes = f"tries = {row.tries}, due_at = {until}"
            self._connection.exec_driver_sql(
                f"UPDATE notice SET {changes} WHERE number = {row.number}"
            )
        return taken

    patch.setattr(SqlTransaction, "take_notices", take)


def no_second_delivery(patch: pytest.MonkeyPatch) -> None:
    """A notice counts as delivered when it is taken."""
    honest = SqlTransaction.take_notices

    def take(self: SqlTransaction, *arguments: Any) -> list[NoticeRow]:
        taken = honest(self, *arguments)
        for row in taken:
            self.settle_notice(row._replace(due_at=None))
        return taken

    patch.setattr(SqlTransaction, "take_notices", take)


def no_end_of_an_alarm(patch: pytest.MonkeyPatch) -> None:
    """An alarm that has rung is dropped in a transaction of its own, which may be lost."""
    dice, honest = random.Random(1), SqlTransaction.drop_alarms  # noqa: S311

    def drop(self: SqlTransaction, rows: Sequence[AlarmRow]) -> None:
        if dice.random() < 0.8:
            honest(self, rows)

    patch.setattr(SqlTransaction, "drop_alarms", drop)


def no_look_at_the_end(patch: pytest.MonkeyPatch) -> None:
    """What ends drops its alarms, whether they should have rung or not."""

    def tell(ledger: Ledger, plans: Plans, row: AlarmRow) -> None: ...

    patch.setattr(deadlines_module, "tell_missed", tell)


def no_taking(patch: pytest.MonkeyPatch) -> None:
    """That an event was taken gets lost at times, as if it were not of one transaction with
    the run that it starts."""
    dice, honest = random.Random(1), SqlTransaction.take_arrivals  # noqa: S311

    def take(self: SqlTransaction, limit: int) -> list[ArrivalRow]:
        rows = honest(self, limit)
        if dice.random() < 0.1:
            self._connection.exec_driver_sql("UPDATE arrival SET taken = false")
        return rows

    patch.setattr(SqlTransaction, "take_arrivals", take)


def no_following(patch: pytest.MonkeyPatch) -> None:
    """What an end starts is made in a transaction of its own, which may be lost."""
    dice, honest = random.Random(1), Reacting.react  # noqa: S311

    def react(self: Reacting, *args: Any, **named: Any) -> None:
        if dice.random() < 0.98:
            honest(self, *args, **named)

    patch.setattr(Reacting, "react", react)
    patch.setattr(Reacting, "follow_again", lambda _: None)


def no_due_time(patch: pytest.MonkeyPatch) -> None:
    """What was reserved begins as soon as it is ready."""
    patch.setattr(Reservation, "_left", lambda _: 0.0)


def no_word_of_the_begin(patch: pytest.MonkeyPatch) -> None:
    """What must never be begun twice begins without a claim, as other steps do."""

    async def tell(self: Reservation) -> bool:
        del self
        return True

    patch.setattr(Reservation, "_tell", tell)


def no_rest(patch: pytest.MonkeyPatch) -> None:
    """A paused schedule is due as before."""
    honest = planners_module.paused

    def paused(tx: Transaction, row: ScheduleRow, *args: Any) -> ScheduleRow:
        after = honest(tx, row, *args)
        return after._replace(act_at=after.next_due)

    patch.setattr(planners_module, "paused", paused)


def no_fresh_start(patch: pytest.MonkeyPatch) -> None:
    """What fell into a pause is made up for."""

    def resumed(row: ScheduleRow, now: float) -> ScheduleRow:
        del now
        return row._replace(paused=False, act_at=row.next_due)

    patch.setattr(planners_module, "resumed", resumed)


def no_due_time_of_what_was_taken_back(patch: pytest.MonkeyPatch) -> None:
    """A schedule that changes goes on behind what was made ahead, and taken back."""
    honest = applying_module.withdraw

    def withdraw(tx: Transaction, row: ScheduleRow, now: float, **how: float) -> ScheduleRow:
        honest(tx, row, now, **how)
        return row

    patch.setattr(applying_module, "withdraw", withdraw)


def no_room_of_a_backfill(patch: pytest.MonkeyPatch) -> None:
    """Nobody counts which of its runs are open."""
    patch.setattr(SqlTransaction, "open_runs_of_backfill", lambda *_: [])


def no_progress_of_a_backfill(patch: pytest.MonkeyPatch) -> None:
    """Nothing but its own row says how far a backfill has come, and its change gets lost at
    times, as it would if it were not of one transaction with the runs."""
    dice, honest = random.Random(1), SqlTransaction.save_backfill  # noqa: S311
    new_runs = SqlTransaction.new_runs

    def save(self: SqlTransaction, row: BackfillRow) -> None:
        if row.ended_at is not None or dice.random() < 0.9:
            honest(self, row)

    def make(self: SqlTransaction, runs: Sequence[RunRow]) -> list[int]:
        self._connection.exec_driver_sql("DROP INDEX IF EXISTS run_of_backfill")
        return new_runs(self, runs)

    patch.setattr(SqlTransaction, "save_backfill", save)
    patch.setattr(SqlTransaction, "new_runs", make)


def no_version(patch: pytest.MonkeyPatch) -> None:
    """A run is of the version that is applied whenever somebody looks."""

    def refresh(self: Plans, tx: Transaction, runs: Iterable[RunRow]) -> None:
        now = {row.name: row.digest for row in tx.pipelines()}
        for run in list(runs):
            digest = now.get(run.pipeline, run.digest)
            self.replace(
                run.number, plan_of(run, tx.definition(digest), tx.expansions([run.number]))
            )

    patch.setattr(Plans, "refresh", refresh)


BROKEN: Mapping[str, tuple[Breaks, Sequence[str]]] = {
    "fence": (no_fence, ()),
    "self-fencing": (no_self_fencing, ("cut",)),
    "lease": (no_lease, ()),
    "unique row": (no_unique_row, ()),
    "claim": (no_claim, ()),
    "withdrawal": (no_withdrawal, ()),
    "doubt": (no_doubt, ("loss of claims", "crash of a worker")),
    "at most once": (no_at_most_once, ("crash of a worker",)),
    "limit of a step": (no_limit_of_a_step, ()),
    "room": (no_room, ()),
    "limit of a run": (no_limit_of_a_run, ()),
    "queue": (no_queue, ()),
    "gate": (no_gate, ()),
    "look behind an end": (no_look_behind_an_end, ()),
    "due time": (no_due_time, ()),
    "word of the begin": (no_word_of_the_begin, ("crash of a worker",)),
    "order of notices": (no_order_of_notices, ()),
    "end of an alarm": (no_end_of_an_alarm, ()),
    "look at the end": (no_look_at_the_end, ()),
    "taking": (no_taking, ()),
    "following": (no_following, ()),
    "rest": (no_rest, ()),
    "fresh start": (no_fresh_start, ()),
    "due time of what was taken back": (no_due_time_of_what_was_taken_back, ()),
    "room of a backfill": (no_room_of_a_backfill, ()),
    "progress of a backfill": (no_progress_of_a_backfill, ()),
    "version": (no_version, ()),
    "second delivery": (no_second_delivery, ("crash of a scheduler",)),
}
"""Means, and the kinds of bad luck that they are there for: with these alone, what is
missing is found sooner than with all."""


@pytest.mark.parametrize("means", BROKEN)
def test_what_is_left_out_is_missed(means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks, only = BROKEN[means]
    breaks(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=r"^seed \d+: "):
        deque((simulate(seed, only=only) for seed in range(SEEDS)), maxlen=0)
