"""The broker for one process: queues in memory.

It keeps the whole protocol (claims, acknowledgements, redelivery), so that what is true
of the engine on a laptop is true of it on a fleet. It dies with its process, which costs
nothing that the database does not know.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidemill.model.messages import (
    PRIORITIES,
    Control,
    Order,
    Output,
    Report,
    Started,
    Voided,
)
from tidemill.model.rows import TaskRef
from tidemill.ports import Clock, Delivery, Epoch, Inbox, Timer
from tidemill.waiting import wait_for

ACK_WAIT = 30.0
"""Seconds after which what was taken and not acknowledged is offered again."""


@dataclass(slots=True)
class _Pool:
    queues: tuple[deque[Order], ...] = field(
        default_factory=lambda: tuple(deque() for _ in PRIORITIES)
    )
    signal: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, order: Order) -> None:
        self.queues[order.priority].append(order)
        self.signal.set()

    def take(self, slots: int) -> list[Order]:
        taken: list[Order] = []
        for queue in self.queues:
            while queue and len(taken) < slots:
                taken.append(queue.popleft())
        if not any(self.queues):
            self.signal.clear()
        return taken


class InProcessBroker:
    """See `tidemill.ports.Broker`. `listener` is called with each piece of output."""

    def __init__(
        self,
        clock: Clock,
        listener: Callable[[Output], None] | None = None,
        ack_wait: float = ACK_WAIT,
    ) -> None:
        self._clock = clock
        self._listener = listener
        self._ack_wait = ack_wait
        self._pools: dict[str, _Pool] = {}
        self._own: dict[str, _Pool] = {}
        """Orders that are for one worker alone, by its name."""
        self._published: set[tuple[TaskRef, int]] = set()
        self._claims: set[tuple[TaskRef, int]] = set()
        self._begins: set[tuple[TaskRef, int]] = set()
        self._unacknowledged: dict[int, tuple[Order, Timer]] = {}
        self._reports: list[Report] = []
        self._reported = asyncio.Event()
        self._unconfirmed: dict[int, Sequence[Report]] = {}
        self._controls: list[Control] = []
        self._told = asyncio.Event()
        self._tag = 0

    # the scheduler's side

    async def publish(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if (order.ref, order.fence) not in self._published:
                self._published.add((order.ref, order.fence))
                self._queue_of(order).put(order)

    async def void(
        self, ref: TaskRef, fence: int, pool: str, epoch: str, *, reserved: bool = False
    ) -> bool:
        del pool, epoch
        claims = self._begins if reserved else self._claims
        return self._claim(claims, Voided(ref, fence, reserved))

    def known_epoch(self) -> Epoch:
        """It loses nothing but itself, and then its workers are gone too."""
        return Epoch("", float("-inf"))

    async def epoch(self) -> Epoch:
        return self.known_epoch()

    async def control(self, messages: Sequence[Control]) -> None:
        self._controls.extend(messages)
        self._told.set()

    async def inbox(self, until: float | None) -> Inbox:
        if not self._reports:
            await wait_for(self._reported, self._clock, until)
        self._reported.clear()
        reports, self._reports = self._reports, []
        self._tag += 1
        self._unconfirmed[self._tag] = reports
        return Inbox(reports, self._tag)

    async def confirm(self, inbox: Inbox) -> None:
        self._unconfirmed.pop(inbox.tag, None)

    def redeliver(self) -> None:
        """What was read and not confirmed comes again: a new scheduler took over."""
        again = [report for reports in self._unconfirmed.values() for report in reports]
        self._unconfirmed.clear()
        self._reports = again + self._reports
        if self._reports:
            self._reported.set()

    # the worker's side

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        queue = self._pool(pool)
        while not (orders := queue.take(slots)):
            await queue.signal.wait()
        return [self._deliver(order) for order in orders]

    async def take_own(self, worker: str) -> list[Delivery]:
        queue = self._own.setdefault(worker, _Pool())
        while not (orders := queue.take(sys.maxsize)):
            await queue.signal.wait()
        return [self._deliver(order) for order in orders]

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        reserved = order.start_at is not None
        return self._claim(self._claims, Started(order.ref, order.fence, worker, at, reserved))

    async def begin(self, order: Order, worker: str, at: float) -> bool:
        return self._claim(self._begins, Started(order.ref, order.fence, worker, at))

    async def acknowledge(self, delivery: Delivery) -> None:
        entry = self._unacknowledged.pop(delivery.tag, None)
        if entry is not None:
            entry[1].cancel()

    async def report(self, report: Report) -> None:
        self._add(report)

    async def controls(self) -> Sequence[Control]:
        await self._told.wait()
        self._told.clear()
        messages, self._controls = self._controls, []
        return messages

    def last_contact(self) -> float:
        """Now: worker and broker live and die together."""
        return self._clock.now()

    def clock_ahead(self) -> float | None:
        return 0.0

    def emit(self, output: Output) -> None:
        if self._listener is not None:
            self._listener(output)

    async def told(self, order: Order) -> int:
        """Nothing is taken up again: worker and broker live and die together."""
        del order
        return 0

    async def close(self) -> None:
        for _, timer in self._unacknowledged.values():
            timer.cancel()
        self._unacknowledged.clear()

    # inside

    def _pool(self, name: str) -> _Pool:
        if name not in self._pools:
            self._pools[name] = _Pool()
        return self._pools[name]

    def _queue_of(self, order: Order) -> _Pool:
        if order.target:
            return self._own.setdefault(order.target, _Pool())
        return self._pool(order.pool)

    def _deliver(self, order: Order) -> Delivery:
        self._tag += 1
        tag = self._tag
        timer = self._clock.call_at(
            self._clock.now() + self._ack_wait, lambda: self._offer_again(tag)
        )
        self._unacknowledged[tag] = (order, timer)
        return Delivery(order, tag)

    def _offer_again(self, tag: int) -> None:
        order, _ = self._unacknowledged.pop(tag)
        self._queue_of(order).put(order)

    def _claim(self, claims: set[tuple[TaskRef, int]], report: Started | Voided) -> bool:
        name = (report.ref, report.fence)
        if name in claims:
            return False
        claims.add(name)
        self._add(report)
        return True

    def _add(self, report: Report) -> None:
        self._reports.append(report)
        self._reported.set()
