"""A result whose claim another scheduler was told of: it is looked up, and believed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from tidemill.broker import streams, subjects
from tidemill.broker.codec import encode
from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.clock import SystemClock
from tidemill.model.messages import Result, Started
from tidemill.model.rows import TaskRef

RESULT = Result(TaskRef(1, 0), 1, "w", 1.0, 2.0, "exited", 0)


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


async def results(end: JetStreamSchedulerEnd, within: float) -> list[Result]:
    """Those that come within so many seconds, until there is one."""
    clock = SystemClock()
    until = clock.now() + within
    while clock.now() < until:
        inbox = await end.inbox(until)
        await end.confirm(inbox)
        if found := [report for report in inbox.reports if isinstance(report, Result)]:
            return found
    return []


async def report(client: Client) -> None:
    await client.jetstream().publish(subjects.result("default", "w"), encode(RESULT))


async def test_a_result_whose_claim_cannot_be_looked_up_waits_until_it_can(client: Client) -> None:
    end = JetStreamSchedulerEnd(client, SystemClock(), report_wait=2.0)
    await end.open()
    jetstream = client.jetstream()
    await jetstream.delete_stream(subjects.CLAIMS)
    await report(client)
    await asyncio.sleep(0.3)  # it is asked for, and nobody answers
    epoch = await streams.declare(jetstream)
    claim = subjects.claim(epoch, "default", RESULT.ref, RESULT.fence)
    await jetstream.publish(claim, encode(Started(RESULT.ref, RESULT.fence, "w", 1.0)))
    assert [found.claimed for found in await results(end, 10)] == [True]
    await end.close()


async def test_a_result_that_nobody_has_claimed_says_so(client: Client) -> None:
    end = JetStreamSchedulerEnd(client, SystemClock())
    await end.open()
    await report(client)
    assert [found.claimed for found in await results(end, 10)] == [False]
    await end.close()
