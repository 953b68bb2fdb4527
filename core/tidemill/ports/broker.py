"""What carries orders and reports between schedulers and workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tidemill.model.messages import Order, Output, Report, StopAttempt
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
        """Offers orders to workers. Publishing a (task, fence) again does nothing."""

    async def void(self, ref: TaskRef, fence: int, pool: str, epoch: str) -> bool:
        """Claims an offer of this epoch in nobody's name, so that no worker can; reports `Voided`.
        False if a worker has claimed it, or nobody can tell now."""

    def known_epoch(self) -> Epoch:
        """As far as is known here, without asking."""

    async def epoch(self) -> Epoch:
        """Which claims the broker knows, and since when: one that has lost everything
        knows nothing of who has claimed what before, and begins another epoch."""

    async def stop(self, messages: Sequence[StopAttempt]) -> None: ...

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

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        """Tries to be the one that carries out this fence; the winner's `Started`
        report is on its way when this returns."""

    async def acknowledge(self, delivery: Delivery) -> None: ...

    async def report(self, report: Report) -> None:
        """Sends to the scheduler, durably: returns when it is stored."""

    async def stops(self) -> Sequence[StopAttempt]:
        """Waits for messages to stop attempts."""

    def last_contact(self) -> float:
        """When the last heartbeat was sent that a scheduler has confirmed, by the clock:
        from then on, at least, leases are believed."""

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
