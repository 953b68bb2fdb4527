"""A claim whose answer is lost: whether it was won is found out, also from a server that is
behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.publishing import Answer, Message, Publisher, Unanswered
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.model.messages import Order
from tidemill.testing.broker import order


class Here:
    def __init__(self, worker: JetStreamWorkerEnd, order: Order) -> None:
        self.worker, self.order = worker, order


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    server, clock = EmbeddedServer(tmp_path / "nats"), SystemClock()
    server.start()
    clients = [await connect(server.access, name) for name in ("s", "w")]
    scheduler = JetStreamSchedulerEnd(clients[0], clock)
    await scheduler.open()
    worker = JetStreamWorkerEnd(clients[1], clock, "w", "default")
    await worker.open()
    yield Here(worker, replace(order(0), epoch=scheduler.known_epoch().name))
    await worker.close()
    await scheduler.close()
    for client in clients:
        await client.close()
    server.stop()


def lose_answers(patch: pytest.MonkeyPatch, count: int) -> None:
    """The first so many answers are lost; what was asked for is done."""
    left = count
    honest = Publisher.publish

    async def publish(self: Publisher, messages: Iterable[Message]) -> list[Answer]:
        nonlocal left
        answers = await honest(self, messages)
        left -= 1
        return [Unanswered() for _ in answers] if left >= 0 else answers

    patch.setattr(Publisher, "publish", publish)


def be_behind(patch: pytest.MonkeyPatch, count: int) -> None:
    """The first so many looks are answered by a server that has not heard of it yet."""
    left = count
    honest = JetStreamContext.get_last_msg

    async def look(self: JetStreamContext, *args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise NotFoundError
        return await honest(self, *args, **options)

    patch.setattr(JetStreamContext, "get_last_msg", look)


@pytest.mark.parametrize("behind", [0, 3])
async def test_who_has_won_and_was_not_told_finds_out(
    here: Here, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    lose_answers(monkeypatch, 1)
    be_behind(monkeypatch, behind)
    assert await here.worker.claim(here.order, "w", 1.0)


async def test_who_was_not_told_that_another_has_won_finds_out(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await here.worker.claim(here.order, "w", 1.0)
    lose_answers(monkeypatch, 1)
    assert not await here.worker.claim(here.order, "w", 2.0), "it is an earlier one of ours"
