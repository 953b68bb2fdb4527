# ruff: noqa: ASYNC110, ASYNC240 -- nothing else waits for the loop here
"""Steps on a host whose network is cut in the middle, and on one that is far away."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import network
import pytest
import pytest_asyncio
from sshd import Sshd, find

import tidemill_ssh
from tidemill.spi import (
    Executor,
    ExecutorContext,
    Outcome,
    Reason,
    ScriptAction,
    StartError,
    Work,
    boot_time,
)
from tidemill.testing.executor.bench import RecordingIO
from tidemill_ssh import login, sessions

(KIND,) = tidemill_ssh.tidemill_executors()
CLONE_NEWNET = 0x40000000
DAEMON = "setsid env -i sh -c 'trap \"\" TERM HUP; sleep {0}; :' >/dev/null 2>&1 & "
NOTICED = 3.0
"""Seconds in which a cut is noticed here: as `login` says, with the times below."""


@pytest.fixture
def net() -> Iterator[network.Network]:
    if (why := network.missing()) != "":
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    net = network.Network()
    yield net
    net.close()


@pytest.fixture
def far(net: network.Network) -> Iterator[network.Host]:
    """Another host. This test runs on one of its own, too, which has no other network."""
    host, own = net.host("far"), net.host("own")
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open() as before,
        Path(f"/run/netns/{own.space}").open() as ns,
    ):
        assert libc.setns(ns.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield host
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


@pytest.fixture
def server(far: network.Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    monkeypatch.setattr(login, "KEEPALIVE", 0.5)
    monkeypatch.setattr(login, "MISSES", 2)
    program = find()
    assert program is not None
    server = Sshd(program, address=far.address, inside=far.inside())
    yield server
    server.stop()
    command = ["ip", "netns", "pids", far.space]
    limit = time.monotonic() + 10
    while subprocess.check_output(command) and time.monotonic() < limit:
        time.sleep(0.05)  # supervisors that remove their folders


class Bench:
    def __init__(self, executor: Executor, server: Sshd) -> None:
        self.executor, self.server, self.number = executor, server, 0

    async def start(self, script: str, **changes: Any) -> tuple[Any, RecordingIO]:
        self.number += 1
        settings = KIND.settings.model_validate(
            self.server.settings(**{"connect_timeout": 5} | changes)
        )
        io = RecordingIO()
        work = Work(str(self.number), 1, "s", 1, 1, ScriptAction(script), Path("/"), settings)
        return await self.executor.start(work, io), io

    async def sleeper(self, number: int) -> Any:
        """A step with a daemon that sleeps that long, and it does."""
        handle, _ = await self.start(DAEMON.format(number) + f"sleep {number}")
        await until(lambda: len(sleepers(number)) == 2)
        return handle

    async def end(self, handle: Any, within: float) -> Outcome:
        return await asyncio.wait_for(self.executor.wait(handle), within)

    async def text(self, script: str, **changes: Any) -> str:
        handle, io = await self.start(script, **changes)
        assert (await self.end(handle, 120)).ok
        return bytes(io.kept).decode()


@pytest_asyncio.fixture
async def bench(server: Sshd, tmp_path: Path) -> AsyncIterator[Bench]:
    executor = KIND.factory(ExecutorContext(tmp_path))
    yield Bench(executor, server)
    await executor.close()


@pytest_asyncio.fixture
async def leased(server: Sshd, tmp_path: Path) -> AsyncIterator[Bench]:
    executor = KIND.factory(ExecutorContext(tmp_path, leased=True))
    executor.extend(60, boot_time())
    yield Bench(executor, server)
    await executor.close()


def sleepers(number: int) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes() == b"sleep\0%d\0" % number:
                found.append(file.parent.name)
        except OSError:
            continue
    return found


async def until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.05)


async def test_a_cut_is_noticed_and_what_it_left_ends_when_the_host_is_reached_again(
    bench: Bench, far: network.Host, net: network.Network
) -> None:
    """By another way: nothing of the cut connection ever gets through, so its end of it does
    not notice."""
    folder = (await bench.text("dirname $TMPDIR")).strip()
    handle = await bench.sleeper(100101)
    far.cut("dark")
    assert (await bench.end(handle, NOTICED)).reason is Reason.LOST
    with pytest.raises(StartError):
        await bench.start("true", connect_timeout=0.5)
    move(net.hosts["own"], "10.77.0.99/24")
    far.heal()
    assert len(sleepers(100101)) == 2
    assert Path(folder).exists()
    assert await bench.text("echo again") == "again\n"
    assert not sleepers(100101)
    assert not Path(folder).exists()


def move(host: network.Host, address: str) -> None:
    """Gives the host another address in place of the one that it has."""
    for arguments in (["flush", "dev", "eth0"], ["add", address, "dev", "eth0"]):
        subprocess.run(["ip", "-n", host.space, "addr", *arguments], check=True)


async def test_a_step_on_a_lease_ends_behind_a_cut(leased: Bench, far: network.Host) -> None:
    handle = await leased.sleeper(100102)
    leased.executor.extend(2.0, boot_time())
    assert await leased.text("echo heard") == "heard\n"  # so was the time, before
    far.cut("dark")
    assert (await leased.end(handle, 10)).reason is Reason.LOST
    await until(lambda: not sleepers(100102))
    far.heal()
    leased.executor.extend(60, boot_time())
    assert await leased.text("echo again") == "again\n"


async def test_a_short_cut_harms_nobody(bench: Bench, far: network.Host, tmp_path: Path) -> None:
    handle, io = await bench.start(
        f"echo ready; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo on"
    )
    await io.until(lambda io: b"ready" in io.kept)
    far.cut("dark")
    (tmp_path / "go").touch()
    await asyncio.sleep(0.3)  # so long is the cut
    far.heal()
    assert (await bench.end(handle, 30)).ok
    assert bytes(io.kept) == b"ready\non\n"


async def test_a_session_that_does_not_answer_is_not_given_a_step(
    bench: Bench, far: network.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "KEEPALIVE", 600.0)
    monkeypatch.setattr(sessions, "QUIET", 0.0)
    assert await bench.text("echo first") == "first\n"
    far.cut("dark")
    async with asyncio.timeout(10):
        with pytest.raises(StartError):
            await bench.start("true", connect_timeout=0.5)
    far.heal()
    assert await bench.text("echo second") == "second\n"


class Slow:
    """Between the worker and a host: what comes is passed on later, and in small pieces."""

    def __init__(self, port: int, delay: float) -> None:
        self._target, self._delay = port, delay
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def send() -> None:
            while True:
                moment, data = await queue.get()
                await asyncio.sleep(max(0.0, moment - loop.time()))
                sink.write(data)
                if not data:
                    sink.close()
                    return

        sending = asyncio.create_task(send())
        while data := await source.read(4096):
            queue.put_nowait((loop.time() + self._delay, data))
        queue.put_nowait((loop.time() + self._delay, b""))
        await sending

    def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()


async def test_a_host_that_is_far_away_does_everything_once(sshd: Sshd, tmp_path: Path) -> None:
    """Half a second each way."""
    slow = Slow(sshd.port, 0.5)
    port = await slow.open()
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{port} "))
    executor = KIND.factory(ExecutorContext(tmp_path, leased=True))
    executor.extend(60, boot_time())
    bench = Bench(executor, sshd)
    far: dict[str, Any] = {"port": port, "known_hosts": str(known), "connect_timeout": 60}
    script = f"echo x >>{tmp_path}/done; seq 1 20000 | tail -n 1; exit 0"
    assert await asyncio.gather(*(bench.text(script, **far) for _ in range(3))) == ["20000\n"] * 3
    assert (tmp_path / "done").read_text() == "x\n" * 3
    handle, io = await bench.start(
        "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.1; done", **far
    )
    await io.until(lambda io: b"ready" in io.kept)
    await executor.stop(handle, 20)
    assert (await bench.end(handle, 30)).code == 3
    await executor.close()
    slow.close()
