"""Timers that have passed: leases that ended, offers that nobody took, and people who did not
decide in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.model.rows import TaskRow
from tidemill.model.states import TaskState
from tidemill.ports import (
    Epoch,
    Turn,
)


def decide(tx: Turn, booking: Booking, run: int) -> None:
    """Books what people said to tasks of this run that wait for approval."""
    decisions = tx.decisions(run)
    if decisions:
        booking.ledger.add_tasks(tx.tasks(decision.ref for decision in decisions))
    for decision in decisions:
        booking.decided(decision)


@dataclass(frozen=True, slots=True)
class Overdue:
    """Books what is due in a turn. `epoch` is the broker's, `lease` and `grace` in seconds."""

    tx: Turn
    children: Children
    epoch: Epoch
    lease: float
    grace: float

    def book(self, due: Sequence[TaskRow]) -> None:
        """Leases that ended. An offer that nobody took is withdrawn before it is made
        again: two offers of one task never stand side by side. Who decided in time is
        heard also where the news of it is still on its way."""
        children = self.children
        ledger, booking = children.ledger, children.booking
        for run in {task.run for task in due if task.state is TaskState.AWAITING_APPROVAL}:
            decide(self.tx, booking, run)
        for before in due:
            task = ledger.task(before.ref)
            if task is None or task.run_at is None or task.run_at > ledger.now:
                continue  # something was heard of it in this very transaction
            if task.state is TaskState.RUNNING:
                booking.lost(task, "its worker has not been heard of for a lease")
            elif task.state in {TaskState.QUEUED, TaskState.RESERVED}:
                self._withdraw(booking, task)
            elif task.state is TaskState.AWAITING_APPROVAL:
                booking.undecided(task)
            elif task.state is TaskState.DELEGATED:
                ledger.push_timer(task)  # it ends when its run has been stopped
                children.cancel([task], self.grace)

    def _withdraw(self, booking: Booking, task: TaskRow) -> None:
        """Nobody has been heard to have begun with an offer, or with what was reserved. Where
        the broker has lost what it knew of it, a lease must pass in which whoever has begun is
        heard of, or gives up."""
        ledger, epoch = booking.ledger, self.epoch
        if task.epoch == epoch.name:
            ledger.push_timer(task)
            booking.voids.append(task)
        elif ledger.now - epoch.since >= self.lease:
            booking.forgotten(task)
        else:
            ledger.push_timer(task)
