"""The worker: takes work as slots get free, claims it, carries it out, reports.

It knows the broker and executors, and no database. It says that it is there, and what
it holds, three times a lease; and it stops what it holds when it has not been in contact
for so long that somebody else might be given it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.engine.attempt import Attempt
from tidemill.model.messages import Claimed, Heartbeat, Order
from tidemill.model.rows import TaskRef
from tidemill.ports import ArtifactStore, Broker, Clock, Delivery, Executors, Results, Secrets

HEARTBEATS = 3
"""Heartbeats in a lease."""


@dataclass(slots=True)
class Worker:
    """Carries out up to `slots` attempts at a time until it is cancelled."""

    name: str
    broker: Broker
    clock: Clock
    executors: Executors
    artifacts: ArtifactStore
    secrets: Secrets
    results: Results
    project: Path
    slots: int
    lease: float
    pool: str = "default"
    _held: dict[tuple[TaskRef, int], Attempt] = field(default_factory=dict)
    _slot_free: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Works until it is cancelled; then stops at once what it still holds."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._fence())
            group.create_task(self._obey())
            try:
                await self._take_work(group)
            finally:
                await self._stop_all(0)

    async def _take_work(self, group: asyncio.TaskGroup) -> None:
        while True:
            while len(self._held) >= self.slots:
                self._slot_free.clear()
                await self._slot_free.wait()
            for delivery in await self.broker.take(self.pool, self.slots - len(self._held)):
                await self._accept(delivery, group)

    async def _accept(self, delivery: Delivery, group: asyncio.TaskGroup) -> None:
        """Claims first, and only then takes the message off the queue: whoever dies in
        between leaves a message whose claim fails, not a task without one."""
        order = delivery.order
        won = await self.broker.claim(order, self.name, self.clock.now())
        if won:
            attempt = Attempt(
                order,
                self.name,
                self.broker,
                self.clock,
                self.executors,
                self.artifacts,
                self.secrets,
                self.results,
                self.project,
            )
            self._held[order.ref, order.fence] = attempt
            group.create_task(self._carry_out(order, attempt))
        await self.broker.acknowledge(delivery)

    async def _carry_out(self, order: Order, attempt: Attempt) -> None:
        try:
            result = await attempt.run()
            await self.broker.report(result)
        finally:
            del self._held[order.ref, order.fence]
            self._slot_free.set()

    async def _beat(self) -> None:
        while True:
            held = tuple(Claimed(ref, fence) for ref, fence in self._held)
            await self.broker.report(Heartbeat(self.name, self.pool, self.slots, held))
            await _sleep(self.clock, self.lease / HEARTBEATS)

    async def _fence(self) -> None:
        """Stops everything once there has been no contact for a lease less a heartbeat's
        time. Apart from `_beat`, whose report may itself be what gets no answer."""
        patience = self.lease * (HEARTBEATS - 1) / HEARTBEATS
        while True:
            left = self.broker.last_contact() + patience - self.clock.now()
            if left <= 0:
                await self._stop_all(0)
            await _sleep(self.clock, left if left > 0 else self.lease / HEARTBEATS)

    async def _obey(self) -> None:
        """Stops what it is told to. A message for what is not held is too late."""
        while True:
            for message in await self.broker.stops():
                attempt = self._held.get((message.ref, message.fence))
                if attempt is not None:
                    await attempt.stop(message.grace)

    async def _stop_all(self, grace: float) -> None:
        for attempt in list(self._held.values()):
            await attempt.stop(grace)


async def _sleep(clock: Clock, seconds: float) -> None:
    done = asyncio.Event()
    timer = clock.call_at(clock.now() + seconds, done.set)
    try:
        await done.wait()
    finally:
        timer.cancel()
