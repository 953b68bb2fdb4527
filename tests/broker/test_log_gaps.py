"""What is missing in the output of steps is told, and how much; what only was lost on its way
to a reader is read again. Against real servers."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from nats.js.errors import Error as JetStreamError
from postgres import find

from fleet import Fleet, NatsServer, free_ports
from tidemill.broker import log_reader, output_sender, publishing
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.log_reader import Piece, read_logs
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.model.messages import Order, Output, Result
from tidemill.model.rows import TaskRef
from tidemill.testing.broker import order as an_order

if TYPE_CHECKING:
    from nats.aio.client import Client

REF = TaskRef(7, 0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path, "n0", f"127.0.0.1:{free_ports(1)[0]}", {})
    yield server
    server.kill()


class Speaker:
    """A worker whose step prints, and somebody who reads that."""

    def __init__(self, client: Client, end: JetStreamWorkerEnd) -> None:
        self.client, self.end = client, end

    def say(self, *texts: str, attempt: int = 1) -> None:
        for text in texts:
            self.end.emit(Output(REF.run, REF.ordinal, "t", attempt, text))

    async def finish(self) -> None:
        await self.end.report(Result(REF, 3, "w1", 1.0, 2.0, "exited", 0))
        await self.client.flush()

    async def drop(self, *sequences: int) -> None:
        for sequence in sequences:
            assert await self.client.jetstream().delete_msg("TIDE_LOGS", sequence)

    async def read(self) -> list[Piece]:
        async with aclosing(read_logs(self.client, [REF.run], follow=False)) as pieces:
            return [piece async for piece in pieces if piece]


@pytest_asyncio.fixture
async def speaker(server: NatsServer) -> AsyncIterator[Speaker]:
    clock, access = SystemClock(), NatsAccess(server.url)
    scheduler = JetStreamSchedulerEnd(await connect(access, "scheduler"), clock)
    await scheduler.open()
    client = await connect(access, "worker")
    worker = JetStreamWorkerEnd(client, clock, "w1", "default")
    await worker.open()
    yield Speaker(client, worker)
    await scheduler.close()
    await scheduler._client.close()  # noqa: SLF001
    await worker.close()
    await client.close()


def shown(pieces: list[Piece]) -> list[tuple[int, str]]:
    return [(piece.missing, piece.text) for piece in pieces]


async def test_nothing_is_said_to_be_missing_where_nothing_is(speaker: Speaker) -> None:
    speaker.say("a\n", "b\n", "\n")
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, "a\n"), (0, "b\n"), (0, "\n")]


async def test_pieces_that_the_server_has_lost_are_counted(speaker: Speaker) -> None:
    """At the beginning, in the middle and at the end, where none comes after them."""
    speaker.say(*(f"{number}\n" for number in range(1, 8)))
    await speaker.finish()
    await speaker.drop(1, 3, 4, 6, 7)
    assert shown(await speaker.read()) == [(1, "2\n"), (2, "5\n"), (2, "")]


async def test_all_of_it_may_be_missing(speaker: Speaker) -> None:
    speaker.say("a\n", "b\n")
    await speaker.finish()
    await speaker.drop(1, 2)
    assert shown(await speaker.read()) == [(2, "")]


async def test_each_attempt_is_counted_by_itself(speaker: Speaker) -> None:
    speaker.say("a\n", "b\n")
    await speaker.finish()
    speaker.say("c\n", "d\n", attempt=2)
    await speaker.finish()
    await speaker.drop(4)
    found = [(piece.attempt, piece.missing, piece.text) for piece in await speaker.read()]
    assert found == [(1, 0, "a\n"), (1, 0, "b\n"), (2, 1, "d\n")]


async def test_what_a_worker_has_no_room_for_is_told(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is not held up, and the reader knows how many pieces there would be more."""
    monkeypatch.setattr(output_sender, "KEPT", 10_000)
    speaker.say(*(f"{number:0100}\n" for number in range(500)))  # faster than they are sent
    await speaker.finish()
    pieces = await speaker.read()
    kept = [piece for piece in pieces if piece.text]
    assert 50 < len(kept) < 200
    assert pieces[-1].text == ""
    assert sum(piece.missing for piece in pieces) == 500 - len(kept)


async def test_room_that_has_got_free_is_used_again(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_sender, "KEPT", 1200)
    for _ in range(20):
        speaker.say(*('"\n' * 50 for _ in range(5)))
        await asyncio.sleep(0.02)
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, '"\n' * 50)] * 100


async def test_what_was_sent_in_vain_is_sent_again(server: NatsServer, speaker: Speaker) -> None:
    """The server dies before it has read it. The result of the step waits for its output."""
    speaker.say("1\n")
    server.process.send_signal(signal.SIGSTOP)
    speaker.say("2\n", "3\n")
    await asyncio.sleep(0.2)  # they are on their way
    server.process.kill()
    server.process.wait()
    speaker.say("4\n")
    server.start()
    speaker.say("5\n")
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, f"{number}\n") for number in range(1, 6)]


async def leader(client: Client, stream: str) -> str:
    """Waits until there is one: a young cluster takes its time."""
    async with asyncio.timeout(30):
        while True:
            with suppress(JetStreamError, TimeoutError):
                info = await client.jetstream().stream_info(stream)
                if info.cluster is not None and info.cluster.leader:
                    return info.cluster.leader
            await asyncio.sleep(0.1)


async def test_the_end_of_the_server_that_leads_the_log_loses_nothing(tmp_path: Path) -> None:
    """The others choose a new one; what was sent in between had nobody to store it."""
    names, ports = ("n0", "n1", "n2"), free_ports(6)
    cluster = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports[3:], strict=True)}
    servers = {
        name: NatsServer(tmp_path, name, f"127.0.0.1:{port}", cluster)
        for name, port in zip(names, ports, strict=False)
    }
    access = NatsAccess(",".join(server.url for server in servers.values()))
    clients = [await connect(access, name) for name in ("scheduler", "worker")]
    scheduler = JetStreamSchedulerEnd(clients[0], SystemClock(), replicas=3)
    worker = JetStreamWorkerEnd(clients[1], SystemClock(), "w1", "default")
    try:
        await scheduler.open()
        await worker.open()
        await leader(clients[0], "TIDE_LOGS")
        speaker = Speaker(clients[1], worker)
        for number in range(1, 101):
            speaker.say(f"{number}\n")
            await asyncio.sleep(0.02)
            if number == 30:
                servers[await leader(clients[0], "TIDE_LOGS")].kill()
        await speaker.finish()
        await leader(clients[0], "TIDE_LOGS")
        assert shown(await speaker.read()) == [(0, f"{number}\n") for number in range(1, 101)]
    finally:
        await worker.close()
        await scheduler.close()
        for client in clients:
            await client.close()
        for server in servers.values():
            server.kill()


async def test_a_result_does_not_wait_for_ever_for_a_log(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_sender, "PATIENCE", 0.5)
    monkeypatch.setattr(publishing, "ANSWER_SECONDS", 0.1)
    await speaker.client.jetstream().delete_stream("TIDE_LOGS")
    speaker.say("1\n")
    async with asyncio.timeout(10):
        await speaker.finish()
    results = await speaker.client.jetstream().stream_info("TIDE_RESULTS")
    assert results.state.messages == 1


async def test_more_than_is_sent_at_once_comes_in_order(speaker: Speaker) -> None:
    """Of pieces, and of bytes."""
    small = [f"{number}\n" for number in range(2 * output_sender.PIECES_AT_ONCE + 1)]
    large = [letter * (output_sender.AT_ONCE // 2) + "\n" for letter in "abcde"]
    speaker.say(*small, *large)
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, text) for text in (*small, *large)]


async def test_what_nats_never_carries_holds_up_nothing(speaker: Speaker) -> None:
    """It says how much it carries; what is larger would be refused each time."""
    speaker.say("1\n", "\0" * (1 << 20), "2\n")
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, "1\n"), (1, "2\n")]


@pytest.mark.parametrize("follow", [False, True])
async def test_a_reader_gets_over_the_end_of_the_server(
    server: NatsServer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch, follow: bool
) -> None:
    """It loses nothing, though its consumer is gone and what was sent to it may be, too."""
    monkeypatch.setattr(log_reader, "BATCH", 50)
    speaker.say(*(f"{number}\n" for number in range(300)))
    await speaker.finish()
    reader = await connect(NatsAccess(server.url), "reader")
    texts: list[str] = []
    async with aclosing(read_logs(reader, [REF.run], follow=follow)) as pieces:
        async for piece in pieces:
            if piece is None:
                continue
            assert piece.missing == 0
            texts.append(piece.text)
            if len(texts) in {70, 210}:
                server.kill()
                server.start()
            if len(texts) == 300:
                break
    assert texts == [f"{number}\n" for number in range(300)]
    await reader.close()


async def test_what_was_lost_on_its_way_is_read_again(
    server: NatsServer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may lose what the server took for sent."""
    monkeypatch.setattr(log_reader, "BATCH", 20)
    speaker.say(*(f"{number}\n" for number in range(100)))
    await speaker.finish()
    reader = await connect(NatsAccess(server.url), "reader")
    lost = _losing(reader, 25, 60, 99, 100)
    texts = [piece.text async for piece in read_logs(reader, [REF.run], follow=False) if piece]
    assert texts == [f"{number}\n" for number in range(100)]
    assert not lost, "it was not tried"
    await reader.close()


def _losing(client: Client, *sequences: int) -> set[int]:
    """Makes a client lose these messages of the stream, once each; those still to come."""
    left = set(sequences)
    receive = client._process_msg  # noqa: SLF001

    async def some(sid: int, subject: bytes, reply: bytes, *rest: Any) -> None:
        place = reply.split(b".")
        if subject.startswith(b"tide.log.") and (number := int(place[-4])) in left:
            left.remove(number)
            return
        await receive(sid, subject, reply, *rest)

    client._process_msg = some  # type: ignore[method-assign] # noqa: SLF001
    return left


async def test_who_reads_what_is_there_does_not_wait_for_ever(
    server: NatsServer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BATCH", 10)
    monkeypatch.setattr(log_reader, "PATIENCE", 0.5)
    speaker.say(*(f"{number}\n" for number in range(30)))
    await speaker.finish()
    pieces = read_logs(speaker.client, [REF.run], follow=False)
    assert (await anext(pieces)) is not None
    server.kill()
    with pytest.raises(log_reader.UnavailableError, match="the logs cannot be read"):
        async for _ in pieces:
            pass
    server.start()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    fleet = Fleet(tmp_path, programs)
    try:
        fleet.scheduler("s1")
        fleet.worker("w1")
        (tmp_path / "t.tide").write_text(PIPELINE)
        fleet.tidemill("apply", "t.tide")
        yield fleet
    finally:
        fleet.stop()


PIPELINE = """
pipeline p {
  param lines: int
  step a { run = "for i in $(seq {{ lines }}); do echo $i; sleep 0.2; done" }
}
"""


def test_the_command_tells_what_is_missing(fleet: Fleet) -> None:
    run = fleet.trigger("p", "-p", "lines=3")
    assert fleet.to_the_end(run) == "succeeded"
    assert fleet.tidemill("logs", str(run)).split() == ["1", "2", "3"]

    async def drop() -> None:
        client = await connect(NatsAccess(fleet.nats), "test")
        await client.jetstream().delete_msg("TIDE_LOGS", 2)
        await client.jetstream().delete_msg("TIDE_LOGS", 3)
        await client.close()

    asyncio.run(drop())
    gap = "[tidemill: 2 pieces of the output missing]"
    assert fleet.tidemill("logs", str(run)).splitlines() == ["1", gap]
    assert fleet.tidemill("logs", "-f", str(run)).splitlines() == ["1", gap]


def test_the_command_follows_over_the_end_of_the_server(fleet: Fleet) -> None:
    """All is shown: what the worker had sent to it in vain, it sends again."""
    run = fleet.trigger("p", "-p", "lines=20")
    reader = subprocess.Popen(
        [sys.executable, "-m", "tidemill.cli", "logs", "-f", str(run)],
        cwd=fleet.folder, env=fleet.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout is not None
    lines = [reader.stdout.readline().strip() for _ in range(5)]
    fleet.servers[0].kill()
    fleet.servers[0].start()
    assert reader.wait(60) == 0
    lines += reader.stdout.read().splitlines()  # `communicate` would skip what is buffered
    assert lines == [str(number) for number in range(1, 21)]


class Restarted(Speaker):
    """The same worker in a process of its own: what its step wrote, it tells by place."""

    def tell(self, *texts: str, at: int) -> None:
        for text in texts:
            size = len(text)
            self.end.emit(Output(REF.run, REF.ordinal, "t", 1, text, 3, at, size))
            at += size


def order(fence: int) -> Order:
    return replace(an_order(REF.ordinal, fence), ref=REF)


async def restarted(client: Client) -> Restarted:
    end = JetStreamWorkerEnd(client, SystemClock(), "w1", "default")
    await end.open()
    return Restarted(client, end)


async def sent(speaker: Restarted) -> None:
    await speaker.end.close()


async def test_a_worker_that_comes_back_knows_where_its_log_stopped(speaker: Speaker) -> None:
    first = await restarted(speaker.client)
    assert await first.end.told(order(3)) == 0
    first.tell("ab\n", "cd\n", at=0)
    await sent(first)
    second = await restarted(speaker.client)
    assert await second.end.told(order(4)) == 0  # another fence
    assert await second.end.told(order(3)) == 6
    second.tell("ef\n", at=6)
    await second.finish()
    assert shown(await speaker.read()) == [(0, "ab\n"), (0, "cd\n"), (0, "ef\n")]


async def test_what_is_told_again_is_shown_once(speaker: Speaker) -> None:
    """Cut into other pieces, too."""
    first = await restarted(speaker.client)
    first.tell("ab\n", "cd\n", at=0)
    await sent(first)
    second = await restarted(speaker.client)
    second.tell("ab\ncd\nef\n", "gh\n", at=0)
    await second.finish()
    assert shown(await speaker.read()) == [(0, "ab\n"), (0, "cd\n"), (0, "ef\n"), (0, "gh\n")]


async def test_what_was_lost_at_a_workers_death_is_told_as_missing(speaker: Speaker) -> None:
    first = await restarted(speaker.client)
    first.tell("ab\n", at=0)
    await sent(first)
    second = await restarted(speaker.client)
    second.tell("ef\n", at=6)
    await second.finish()
    ((missing, text), (gone, end)) = shown(await speaker.read())
    assert ((missing, text), (gone > 0, end)) == ((0, "ab\n"), (True, "ef\n"))


async def test_a_new_fence_begins_its_output_again(speaker: Speaker) -> None:
    """An offer that the broker forgot is the same attempt once more."""
    first = await restarted(speaker.client)
    first.tell("ab\n", at=0)
    await sent(first)
    speaker.end.emit(Output(REF.run, REF.ordinal, "t", 1, "ab\n", 4, 0, 3))
    await speaker.finish()
    assert shown(await speaker.read()) == [(0, "ab\n"), (0, "ab\n")]
