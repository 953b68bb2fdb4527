"""What `docs/how-to/secure-the-fleet.md` allows a worker is enough for its work, and for no
more: tried against a real server with that very configuration."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from fleet import free_ports, nats_program
from tidemill.artifacts.local_cache import LocalCache
from tidemill.artifacts.results import StoredResults
from tidemill.artifacts.stored import StoredArtifacts
from tidemill.broker import streams
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.object_store import BUCKET, NatsSettings, NatsStore
from tidemill.broker.own_queue import OwnQueue
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.model import artifact_keys as keys
from tidemill.model.messages import Heartbeat, Order, Output, Result, StopAttempt
from tidemill.model.rows import TaskRef
from tidemill.ports import CachedResult

PAGE = Path(__file__).parents[2] / "docs/how-to/secure-the-fleet.md"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    found = re.search(r"```text\n(accounts.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    text = found[1].replace('"…"', '"secret"').replace('"store"', f'"{tmp_path}/store"')
    (port,) = free_ports(1)
    (tmp_path / "nats.conf").write_text(f"host: 127.0.0.1\nport: {port}\n{text}")
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([nats_program(), "-c", tmp_path / "nats.conf"], stderr=log)
    yield f"127.0.0.1:{port}"
    server.terminate()
    server.wait()


async def _connected(url: str, user: str, inbox: str = "_INBOX") -> Client:
    for _ in range(100):
        try:
            return await connect(NatsAccess(f"nats://{user}:secret@{url}"), user, inbox=inbox)
        except Exception:  # noqa: BLE001 - it is starting
            await asyncio.sleep(0.05)
    raise AssertionError("no server")


def order(pool: str, ordinal: int, epoch: str) -> Order:
    return Order(
        TaskRef(1, ordinal), 1, "t", "t", 1, pool, 2, "k", None, ("true",), {}, ".", "local", {},
        epoch=epoch,
    )  # fmt: skip


async def test_a_worker_can_do_its_work_and_nothing_of_others(url: str) -> None:
    clock = SystemClock()
    admin = await _connected(url, "scheduler")
    scheduler = JetStreamSchedulerEnd(admin, clock)
    await scheduler.open()
    epoch = scheduler.known_epoch().name
    client = await _connected(url, "w1", "_INBOX.w1")
    worker = JetStreamWorkerEnd(client, clock, "w1", "default")
    await worker.open()

    await scheduler.publish([order("default", 0, epoch), order("gpu", 1, epoch)])
    for_w1 = replace(order("default", 2, epoch), target="w1")
    for_w2 = replace(order("default", 3, epoch), target="w2")
    await scheduler.publish([for_w1, for_w2])
    for name in ("w1", "w2"):
        await streams.declare_own(admin.jetstream(), name)
    (own,) = await asyncio.wait_for(worker.take_own("w1"), 10)
    assert own.order == for_w1
    await worker.acknowledge(own)
    (delivery,) = await worker.take("default", 3)
    assert await worker.claim(delivery.order, "w1", clock.now())
    await worker.acknowledge(delivery)
    await worker.report(Heartbeat("w1", "default", 1, (delivery.order.claimed,)))
    worker.emit(Output(1, 0, "t", 1, "line\n"))
    result = Result(TaskRef(1, 0), 1, "w1", 1.0, 2.0, "exited", 0)
    await worker.report(result)
    seen: list[object] = []
    while result not in seen:
        inbox = await scheduler.inbox(clock.now() + 5)
        assert inbox.reports
        seen += inbox.reports
        await scheduler.confirm(inbox)
    await asyncio.sleep(0.2)
    assert worker.last_contact() > clock.now() - 5
    await scheduler.control([StopAttempt(TaskRef(1, 0), 1, 0, "w1")])
    assert await asyncio.wait_for(worker.controls(), 5)

    thief = OwnQueue(client, "w2")
    await thief.open()
    stolen = asyncio.create_task(thief.take())
    refused = asyncio.create_task(worker.take("gpu", 1))
    forged = Result(TaskRef(1, 1), 1, "w2", 1.0, 2.0, "exited", 0)
    await client.publish("tide.result.gpu.w2", b"{}")
    await client.publish("tide.control.w2", b"{}")
    with pytest.raises(NatsError):
        await client.jetstream().stream_info("TIDE_WORK")
    assert not await asyncio.wait_for(_claimed(worker, order("gpu", 1, epoch)), 30)
    await asyncio.sleep(0.5)
    assert not refused.done(), "it was given work of another pool"
    assert not stolen.done(), "it was given work of another worker"
    stolen.cancel()
    await thief.close()
    inbox = await scheduler.inbox(clock.now() + 0.5)
    assert forged not in inbox.reports
    assert not [r for r in inbox.reports if isinstance(r, Result)]
    refused.cancel()
    for end, connection in ((worker, client), (scheduler, admin)):
        await end.close()
        await connection.close()


async def _claimed(worker: JetStreamWorkerEnd, what: Order) -> bool:
    return await worker.claim(what, "w1", 1.0)


async def test_a_result_of_who_did_not_claim_it_is_not_vouched_for(url: str) -> None:
    """Though its name is its own: another one holds the step."""
    clock = SystemClock()
    admin = await _connected(url, "scheduler")
    scheduler = JetStreamSchedulerEnd(admin, clock)
    await scheduler.open()
    epoch = scheduler.known_epoch().name
    other = JetStreamWorkerEnd(admin, clock, "w2", "default")
    await other.open()
    assert await other.claim(order("default", 0, epoch), "w2", 1.0)
    client = await _connected(url, "w1", "_INBOX.w1")
    thief = JetStreamWorkerEnd(client, clock, "w1", "default")
    await thief.open()
    await thief.report(Result(TaskRef(1, 0), 1, "w1", 1.0, 2.0, "exited", 0))
    found: list[Result] = []
    while not found:
        inbox = await scheduler.inbox(clock.now() + 5)
        found = [report for report in inbox.reports if isinstance(report, Result)]
    assert [result.claimed for result in found] == [False]
    for end in (thief, other, scheduler):
        await end.close()
    for connection in (client, admin):
        await connection.close()


async def test_a_worker_keeps_files_and_results(url: str, tmp_path: Path) -> None:
    """With what the page allows; what it may not do is done by the next collection."""
    clock = SystemClock()
    admin = await _connected(url, "scheduler")
    scheduler = JetStreamSchedulerEnd(admin, clock)
    await scheduler.open()
    access = NatsAccess(f"nats://w1:secret@{url}")
    store = NatsStore(access, "_INBOX.w1", BUCKET, NatsSettings())
    artifacts = StoredArtifacts(store, LocalCache(tmp_path / "here", 1 << 30), clock, "nats:")
    source = tmp_path / "source"
    source.write_bytes(b"x" * 2_000_000)
    digest = (await artifacts.put(source)).digest
    there = StoredArtifacts(store, LocalCache(tmp_path / "there", 1 << 30), clock, "nats:")
    assert (await there.get(digest)).read_bytes() == source.read_bytes()

    results = StoredResults(store, clock, tmp_path / "scratch", "nats:")
    for run in (1, 2):
        result = CachedResult("p", "t", run, 5.0, {}, {})
        await results.keep("abcdef", result)
        assert await results.find("abcdef") == result
    await store.remove(keys.result("abcdef"))
    assert await results.find("abcdef") is None

    stream = "OBJ_tide-results"
    left = (await admin.jetstream().stream_info(stream)).state.messages
    own = NatsStore(NatsAccess(f"nats://scheduler:secret@{url}"), "_INBOX", BUCKET, NatsSettings())
    assert await own.sweep(clock.now() + 60) == 2
    assert (await admin.jetstream().stream_info(stream)).state.messages == left - 2
    for each in (store, own, scheduler):
        await each.close()
    await admin.close()
