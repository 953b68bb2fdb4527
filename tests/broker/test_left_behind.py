"""What was for a worker that does not come back is swept, whoever had sent it there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from tidemill.broker import streams, subjects
from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.clock import SystemClock


class LateClock(SystemClock):
    """A clock that can be put forward."""

    later = 0.0

    def now(self) -> float:
        return super().now() + self.later


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path / "nats")
    yield made
    made.stop()


@pytest_asyncio.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[Client]:
    made = await connect(server.start(), "test")
    yield made
    await made.close()


async def left(client: Client) -> dict[str, int]:
    """By worker, what waits for it alone."""
    every = subjects.EVERYBODYS_OWN_WORK
    info = await client.jetstream().stream_info(subjects.WORK, subjects_filter=every)
    return {subjects.owner(name): count for name, count in (info.state.subjects or {}).items()}


async def test_what_another_scheduler_left_for_a_worker_is_swept_when_nobody_comes_for_it(
    client: Client,
) -> None:
    first = JetStreamSchedulerEnd(client, SystemClock())
    await first.open()
    for worker in ("gone.1", "here"):
        await client.jetstream().publish(subjects.own_work(worker), b"an order")
    await first.close()
    clock = LateClock()
    second = JetStreamSchedulerEnd(client, clock)
    await second.open()
    await second._declared.ensure_own("here")  # noqa: SLF001  as when it was heard
    assert await left(client) == {"gone.1": 1, "here": 1}
    clock.later = streams.OWN_KEPT + 60
    await second._declared.ensure_own("here")  # noqa: SLF001
    assert await left(client) == {"here": 1}
    await second.close()
