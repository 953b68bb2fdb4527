"""A NATS that hears a question and gives no answer: as a cluster does that has no leader."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator

import pytest_asyncio
from nats.aio.client import Client

from fleet import free_ports, nats_program
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.declared import ASK_SECONDS
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.clock import SystemClock
from tidemill.ports import UnavailableError


@pytest_asyncio.fixture
async def silent() -> AsyncIterator[Client]:
    """A server without JetStream, where somebody else hears what is asked of it."""
    (port,) = free_ports(1)
    command = [nats_program(), "-a", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    client = await _connected(NatsAccess(f"nats://127.0.0.1:{port}"))
    await client.subscribe("$JS.API.>")
    yield client
    await client.close()
    server.kill()
    server.wait()


async def _connected(access: NatsAccess) -> Client:
    for _ in range(200):
        try:
            return await connect(access, "test")
        except UnavailableError:
            await asyncio.sleep(0.02)
    raise AssertionError("the server does not start")


async def test_a_scheduler_that_gets_no_answer_goes_on_before_workers_give_up(
    silent: Client,
) -> None:
    """They are answered only after its turn, and give up what they hold without an answer."""
    end = JetStreamSchedulerEnd(silent, SystemClock())
    asked = time.monotonic()
    await end.epoch()
    assert time.monotonic() - asked < 2 * ASK_SECONDS
