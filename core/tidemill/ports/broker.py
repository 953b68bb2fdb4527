"""What carries orders and reports between schedulers and workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tidemill.model.messages import Control, Order, Output, Report
from tidemill.model.rows import (
    TaskRef,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An order as it came; `tag` is the adapter's."""

    order: Order
    tag: Any


@dataclass(frozen=True, slots=True)
class Inbox:
    """Reports as they came; they come again unless they are confirmed."""

    reports: Sequence[Report]
    tag: Any


@dataclass(frozen=True, slots=True)
class Epoch:
    """`since` is when it was first seen here; now, where the broker cannot be asked."""

    name: str
    since: float


class SchedulerEnd(Protocol):
    """The end of a broker that a scheduler holds."""

    async def publish(self, orders: Sequence[Order]) -> None:
        """Offers orders to the workers of their pool, or to the one that they are for.
        Publishing a (task, fence) again does nothing."""

    async def void(
        self, ref: TaskRef, fence: int, pool: str, epoch: str, *, reserved: bool = False
    ) -> bool:
        """Claims an offer of this epoch in nobody's name, so that no worker can; reports `Voided`.
        Of one that is `reserved`, its begin. False if a worker has claimed it (has begun), or
        nobody can tell now."""

    def known_epoch(self) -> Epoch:
        """As far as is known here, without asking."""

    async def epoch(self) -> Epoch:
        """Which claims the broker knows, and since when: one that has lost everything
        knows nothing of who has claimed what before, and begins another epoch."""

    async def control(self, messages: Sequence[Control]) -> None:
        """Tells workers what to do. It may be lost."""

    async def inbox(self, until: float | None) -> Inbox:
        """Waits for reports, but not beyond `until`, and takes all there are."""

    async def confirm(self, inbox: Inbox) -> None:
        """What it says has been stored: reports come no more, and who sent heartbeats is
        told that they were heard."""

    async def close(self) -> None: ...


class WorkerEnd(Protocol):
    """The end of a broker that a worker holds."""

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        """Waits for work and takes at most `slots` orders, the highest priority first.
        What is not acknowledged comes again, to this worker or another."""

    async def take_own(self, worker: str) -> list[Delivery]:
        """Waits for orders that are for this worker alone, and takes all there are, whether
        it has slots for them or not."""

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        """Tries to be the one that carries out this fence; the winner's `Started`
        report is on its way when this returns."""

    async def begin(self, order: Order, worker: str, at: float) -> bool:
        """Tells, durably, that it begins with what it has reserved: `Started` again. False if
        the reservation was withdrawn before, or nobody can tell now."""

    async def acknowledge(self, delivery: Delivery) -> None: ...

    async def report(self, report: Report) -> None:
        """Sends to the scheduler, durably: returns when it is stored."""

    async def controls(self) -> Sequence[Control]:
        """Waits for what it is told."""

    def last_contact(self) -> float:
        """When the last heartbeat was sent that a scheduler has confirmed, by the clock:
        from then on, at least, leases are believed."""

    def clock_ahead(self) -> float | None:
        """Seconds by which the schedulers' clock is ahead of this one, at least, as far as
        was heard; None if nothing was."""

    def emit(self, output: Output) -> None:
        """Streams output; never blocks."""

    async def told(self, order: Order) -> int:
        """Of an attempt that an earlier process of this worker had at work: up to where its
        output has been told, in bytes. What is told again, readers know. What comes next
        is numbered behind it."""

    async def close(self) -> None: ...


class Broker(SchedulerEnd, WorkerEnd, Protocol):
    """Carries work, claims, results, heartbeats, control and output.

    It may lose everything: the database is the truth. It never lets two claims of one
    fence win."""
