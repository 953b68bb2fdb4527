"""A fleet under bad luck keeps its promises; and a fleet that lacks one of the means by which
it keeps them is found out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tidemill.engine.booking import Booking
from tidemill.engine.worker import Worker
from tidemill.model.messages import Result, Started
from tidemill.model.rows import ScheduleRow
from tidemill.model.states import TaskState
from tidemill.store.transaction import SqlTransaction
from tidemill.testing.simulation import BrokenPromiseError, simulate

Breaks = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("first", range(0, 60, 6))
def test_every_promise_is_kept_whatever_happens(first: int) -> None:
    for seed in range(first, first + 6):
        assert simulate(seed).runs > 10


def test_a_seed_tells_the_same_story_again() -> None:
    assert simulate(3) == simulate(3)


def test_without_bad_luck_nothing_is_done_twice() -> None:
    report = simulate(1, trouble=False)
    assert report.faults == {}
    assert set(report.tasks) <= {"succeeded", "failed", "cancelled", "upstream_failed"}


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
    dice, honest, new_run = random.Random(1), SqlTransaction.save_schedule, SqlTransaction.new_run  # noqa: S311

    def save(self: SqlTransaction, row: ScheduleRow) -> None:
        if row.next_due is None or dice.random() < 0.8:
            honest(self, row)

    def make(self: SqlTransaction, run: Any) -> int:
        self._connection.exec_driver_sql("DROP INDEX IF EXISTS run_of_schedule")
        return new_run(self, run)

    patch.setattr(SqlTransaction, "save_schedule", save)
    patch.setattr(SqlTransaction, "new_run", make)
    patch.setattr(SqlTransaction, "is_fired", lambda *_: False)


BROKEN: Mapping[str, Breaks] = {
    "fence": no_fence,
    "self-fencing": no_self_fencing,
    "lease": no_lease,
    "unique row": no_unique_row,
}


@pytest.mark.parametrize("means", BROKEN)
def test_what_is_left_out_is_missed(means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[means](monkeypatch)
    with pytest.raises(BrokenPromiseError, match=r"^seed \d+: "):
        deque(map(simulate, range(200)), maxlen=0)
