"""Work that comes to workers who wait for it comes by itself, and is spread over them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio
from nats.aio.msg import Msg

from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.model.messages import Order
from tidemill.ports import Delivery
from tidemill.testing.broker import order


class Here:
    """A server, a scheduler's end, two workers' ends, and what is asked of the server."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.asked = 0
        self.workers: list[JetStreamWorkerEnd] = []

    async def open(self) -> None:
        clock = SystemClock()
        self.clients = [await connect(self.server.access, name) for name in ("s", "w1", "w2", "x")]
        self.scheduler = JetStreamSchedulerEnd(self.clients[0], clock)
        await self.scheduler.open()
        for client, name in zip(self.clients[1:3], ("w1", "w2"), strict=True):
            self.workers.append(JetStreamWorkerEnd(client, clock, name, "default"))
            await self.workers[-1].open()
        await self.clients[3].subscribe("$JS.API.CONSUMER.MSG.NEXT.TIDE_WORK.>", cb=self._ask)
        await self.clients[3].flush()

    async def _ask(self, message: Msg) -> None:
        del message
        self.asked += 1

    async def close(self) -> None:
        for made in (self.scheduler, *self.workers):
            await made.close()
        for client in self.clients:
            await client.close()

    async def publish(self, first: int, count: int) -> None:
        await self.scheduler.publish([self.order(first + at) for at in range(count)])

    def order(self, ordinal: int) -> Order:
        return replace(order(ordinal), epoch=self.scheduler.known_epoch().name)


async def take(worker: JetStreamWorkerEnd, slots: int) -> list[Delivery]:
    """As a worker does that has so many slots: it goes on taking until they are full."""
    taken: list[Delivery] = []
    while len(taken) < slots:
        try:
            taken += await asyncio.wait_for(worker.take("default", slots - len(taken)), 0.5)
        except TimeoutError:
            break
    return taken


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    server = EmbeddedServer(tmp_path / "nats")
    server.start()
    made = Here(server)
    await made.open()
    yield made
    await made.close()
    server.stop()


async def test_a_burst_comes_to_who_waits_without_another_question(here: Here) -> None:
    taking = asyncio.create_task(take(here.workers[0], 20))
    await asyncio.sleep(0.2)
    assert (before := here.asked) >= 5, "one for each priority"
    for at in range(10):
        await here.publish(2 * at, 2)
        await asyncio.sleep(0.01)
    taken = await taking
    assert len(taken) == 20
    assert here.asked == before


async def test_a_burst_is_spread_over_all_who_wait(here: Here) -> None:
    taking = [asyncio.create_task(take(worker, 8)) for worker in here.workers]
    await asyncio.sleep(0.2)
    await here.publish(0, 8)
    found = Counter(len(taken) for taken in await asyncio.gather(*taking))
    assert found == {4: 2}


async def test_what_comes_beyond_the_free_slots_goes_to_who_has_some(here: Here) -> None:
    """Pulls of all priorities wait, each for as much as there is room for."""
    full, free = here.workers
    taking = asyncio.create_task(take(full, 2))
    await asyncio.sleep(0.2)
    orders = [replace(here.order(at), priority=at % 4) for at in range(8)]
    await here.scheduler.publish(orders)
    mine = await taking
    others = await take(free, 10)
    assert len(mine) == 2
    assert len({d.order.ref for d in [*mine, *others]}) == 8
