"""NATS JetStream keeps what every broker promises: against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.model.messages import Control, Order, Output, Report
from tidemill.model.rows import TaskRef
from tidemill.ports import Broker, Delivery, Epoch, Inbox
from tidemill.testing.broker import BrokerConformance


class BothEnds:
    """A scheduler's end and a worker's, over one server."""

    def __init__(self, scheduler: JetStreamSchedulerEnd, worker: JetStreamWorkerEnd) -> None:
        self.scheduler, self.worker = scheduler, worker

    async def publish(self, orders: Sequence[Order]) -> None:
        await self.scheduler.publish(orders)

    async def void(
        self, ref: TaskRef, fence: int, pool: str, epoch: str, *, reserved: bool = False
    ) -> bool:
        epoch = epoch or self.known_epoch().name
        return await self.scheduler.void(ref, fence, pool, epoch, reserved=reserved)

    def known_epoch(self) -> Epoch:
        return self.scheduler.known_epoch()

    async def epoch(self) -> Epoch:
        return await self.scheduler.epoch()

    async def control(self, messages: Sequence[Control]) -> None:
        await self.scheduler.control(messages)

    async def inbox(self, until: float | None) -> Inbox:
        return await self.scheduler.inbox(until)

    async def confirm(self, inbox: Inbox) -> None:
        await self.scheduler.confirm(inbox)

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        return await self.worker.take(pool, slots)

    async def take_own(self, worker: str) -> list[Delivery]:
        await self.scheduler._declared.ensure_own(worker)  # noqa: SLF001 - as when it was heard
        return await self.worker.take_own(worker)

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        """As a worker that was given the order."""
        epoch = (await self.scheduler.epoch()).name
        return await self.worker.claim(replace(order, epoch=epoch), worker, at)

    async def begin(self, order: Order, worker: str, at: float) -> bool:
        epoch = (await self.scheduler.epoch()).name
        return await self.worker.begin(replace(order, epoch=epoch), worker, at)

    def clock_ahead(self) -> float | None:
        return self.worker.clock_ahead()

    async def acknowledge(self, delivery: Delivery) -> None:
        await self.worker.acknowledge(delivery)

    async def report(self, report: Report) -> None:
        await self.worker.report(report)

    async def controls(self) -> Sequence[Control]:
        return await self.worker.controls()

    def last_contact(self) -> float:
        return self.worker.last_contact()

    def emit(self, output: Output) -> None:
        self.worker.emit(output)

    async def close(self) -> None:
        await self.scheduler.close()
        await self.worker.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


class TestJetStream(BrokerConformance):
    ack_wait = 1.0

    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()

    async def elapse(self, clock: SystemClock, seconds: float) -> None:
        del clock
        await asyncio.sleep(seconds + 0.05)

    async def settle(self, clock: SystemClock) -> None:
        del clock
        await asyncio.sleep(0.1)

    @pytest_asyncio.fixture
    async def broker(self, server: EmbeddedServer, clock: SystemClock) -> AsyncIterator[BothEnds]:
        clients = [await connect(server.access, name) for name in ("scheduler", "worker")]
        scheduler = JetStreamSchedulerEnd(clients[0], clock, ack_wait=self.ack_wait)
        worker = JetStreamWorkerEnd(clients[1], clock, "w1", "default")
        await scheduler.open()
        await worker.open()
        both = BothEnds(scheduler, worker)
        both.server = server  # type: ignore[attr-defined]
        yield both
        await both.close()
        for client in clients:
            await client.close()

    async def take_over(self, broker: Broker) -> None:
        assert isinstance(broker, BothEnds)
        await broker.scheduler.close()
        await broker.scheduler._client.close()  # noqa: SLF001
        server: EmbeddedServer = broker.server  # type: ignore[attr-defined]
        client = await connect(server.access, "scheduler 2")
        broker.scheduler = JetStreamSchedulerEnd(client, SystemClock(), ack_wait=1.0)
        await broker.scheduler.open()
