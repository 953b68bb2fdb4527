"""Steps of a worker that will be back outlive it, until it is, or their time is over."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from local_processes import alive, eventually

import tidemill_local
from tidemill.spi import (
    OUTPUT_KEPT,
    Executor,
    ExecutorContext,
    Handle,
    OutputFile,
    Reason,
    ScriptAction,
    Work,
    boot_time,
)
from tidemill.testing.executor.bench import RecordingIO
from tidemill.testing.executor.recovery import start_and_die
from tidemill_local import LocalSettings
from tidemill_local.warden import door, relay

LONG = 100.0
UNTIL_GO = "echo ready; until [ -e go ]; do sleep 0.02; done; "


class Host:
    """One worker after the other, on one state folder."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder, self.mark = folder, mark

    def executor(self, *, recoverable: bool = True) -> Executor:
        (kind,) = tidemill_local.tidemill_executors()
        context = ExecutorContext(self.folder / "scratch", leased=True, recoverable=recoverable)
        return kind.factory(context)

    def work(self, script: str, number: int = 1, **more: Any) -> Work:
        env = {"MARK": self.mark}
        given = {"settings": LocalSettings(), "env": env} | more
        return Work(str(number), 1, "s", 1, 1, ScriptAction(script), self.folder, **given)

    def killed_over(self, *works: Work, seconds: float = LONG) -> list[str]:
        return start_and_die(self.executor, works, seconds)

    async def take_up(
        self, token: str, work: Work, seconds: float = LONG
    ) -> tuple[Executor, Handle, RecordingIO]:
        executor, io = self.executor(), RecordingIO()
        executor.extend(seconds, boot_time())
        handle = await executor.recover(token, work, io)
        assert handle is not None
        return executor, handle, io

    def go(self) -> None:
        (self.folder / "go").touch()


@pytest.fixture
def host(tmp_path: Path, mark: str) -> Host:
    return Host(tmp_path, mark)


def nothing_is_left(host: Host) -> bool:
    return eventually(lambda: not alive(host.mark) and not folders(host))


def folders(host: Host) -> list[Path]:
    return list((host.folder / "scratch").glob("local-*"))


async def test_a_step_goes_on_and_is_taken_up_with_all_that_it_wrote(host: Host) -> None:
    work = host.work(UNTIL_GO + "printf 'two\\nthree'; exit 7")
    (token,) = host.killed_over(work)
    executor, handle, io = await host.take_up(token, work)
    await io.until(lambda io: b"ready" in io.kept)
    host.go()
    outcome = await executor.wait(handle)
    assert (outcome.reason, outcome.code) == (Reason.EXITED, 7)
    assert bytes(io.kept) == b"ready\ntwo\nthree"
    assert await executor.recover(token, work, RecordingIO()) is None
    await executor.close()
    assert nothing_is_left(host)


async def test_a_step_that_ended_while_no_worker_lived_is_told_of(host: Host) -> None:
    work = host.work(UNTIL_GO + "echo v=1 >>$TIDE_OUTPUT; echo end")
    (token,) = host.killed_over(work)
    host.go()
    assert eventually(lambda: not alive(host.mark))
    executor, handle, io = await host.take_up(token, work)
    outcome = await executor.wait(handle)
    assert (outcome.ok, outcome.values) == (True, b"v=1\n")
    assert bytes(io.kept) == b"ready\nend\n"
    await executor.close()
    assert nothing_is_left(host)


async def test_its_files_are_collected(host: Host) -> None:
    private = LocalSettings(workspace="private")
    script = f"echo ready; until [ -e {host.folder}/go ]; do sleep 0.02; done; echo made >file"
    work = host.work(script, outputs=(OutputFile("out", "file"),), settings=private)
    (token,) = host.killed_over(work)
    host.go()
    executor, handle, io = await host.take_up(token, work)
    assert (await executor.wait(handle)).ok
    assert io.files == {("out", "file"): b"made\n"}
    await executor.close()


async def test_it_may_be_killed_and_taken_up_again_and_again(host: Host) -> None:
    work = host.work(UNTIL_GO + "echo end")
    (token,) = host.killed_over(work)
    for _ in range(3):
        die_over(host, token, work)
    executor, handle, io = await host.take_up(token, work)
    host.go()
    assert (await executor.wait(handle)).ok
    assert bytes(io.kept) == b"ready\nend\n"
    await executor.close()
    assert nothing_is_left(host)


def die_over(host: Host, token: str, work: Work) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(_take_up_and_die(host, token, work))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


async def _take_up_and_die(host: Host, token: str, work: Work) -> None:
    _, _, io = await host.take_up(token, work)
    await io.until(lambda io: b"ready" in io.kept)
    os.kill(os.getpid(), signal.SIGKILL)


async def test_an_end_that_was_told_to_one_who_was_killed_is_told_again(host: Host) -> None:
    """Whether that one had written it down nobody knows."""
    work = host.work("echo ready; sleep 0.3; echo v=1 >>$TIDE_OUTPUT; exit 0")
    (token,) = start_and_die(lambda: Late(host.executor()), [work], LONG)  # type: ignore[arg-type]
    executor, handle, io = await host.take_up(token, work)
    outcome = await executor.wait(handle)
    assert (outcome.ok, outcome.values, bytes(io.kept)) == (True, b"v=1\n", b"ready\n")
    await executor.close()
    assert nothing_is_left(host)


class Late:
    """An executor whose worker is killed only when it has heard of the end."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def start(self, work: Work, io: RecordingIO) -> Handle:
        handle = await self._executor.start(work, io)
        await self._executor.wait(handle)
        return handle

    def extend(self, seconds: float, since: float) -> None:
        self._executor.extend(seconds, since)


async def test_a_step_that_nobody_comes_back_for_ends_when_its_time_is_over(host: Host) -> None:
    work = host.work("trap '' TERM; setsid sleep 1000 & echo ready; sleep 1000; sleep 1000")
    (token,) = host.killed_over(work, seconds=1.5)
    began = time.monotonic()
    assert alive(host.mark)
    assert nothing_is_left(host)
    assert 0.5 < time.monotonic() - began < 5
    executor = host.executor()
    assert await executor.recover(token, work, RecordingIO()) is None
    await executor.close()


async def test_what_ended_is_forgotten_when_its_time_is_over(host: Host) -> None:
    work = host.work("echo ready; exit 0")
    (token,) = host.killed_over(work, seconds=1)
    assert nothing_is_left(host)
    executor = host.executor()
    assert await executor.recover(token, work, RecordingIO()) is None
    await executor.close()


async def test_it_has_the_time_of_who_took_it_up(host: Host) -> None:
    work = host.work(UNTIL_GO)
    (token,) = host.killed_over(work, seconds=2)
    executor, handle, _ = await host.take_up(token, work)
    await asyncio.sleep(2.5)  # the time that it had at first
    assert alive(host.mark)
    executor.extend(0.3, boot_time())
    assert (await executor.wait(handle)).reason is Reason.LOST
    assert not alive(host.mark)
    await executor.close()
    assert nothing_is_left(host)


async def test_it_may_be_stopped(host: Host) -> None:
    work = host.work("trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.02; done")
    (token,) = host.killed_over(work)
    executor, handle, io = await host.take_up(token, work)
    await executor.stop(handle, 20)
    assert (await executor.wait(handle)).code == 5
    assert b"asked" in io.kept
    await executor.close()


async def test_without_its_work_it_is_only_ended(host: Host) -> None:
    (token,) = host.killed_over(host.work("echo ready; sleep 1000"))
    executor = host.executor()
    executor.extend(LONG, boot_time())
    handle = await executor.recover(token)
    assert handle is not None
    await executor.stop(handle, 0)
    assert (await executor.wait(handle)).reason is Reason.KILLED
    assert not alive(host.mark)
    await executor.close()


async def test_other_steps_start_beside_those_that_wait(host: Host) -> None:
    work = host.work(UNTIL_GO)
    (token,) = host.killed_over(work)
    executor, io = host.executor(), RecordingIO()
    executor.extend(LONG, boot_time())
    began = time.monotonic()
    assert (await executor.wait(await executor.start(host.work("true", 2), io))).ok
    assert time.monotonic() - began < 5
    handle = await executor.recover(token, work, io)
    assert handle is not None
    host.go()
    assert (await executor.wait(handle)).ok
    await executor.close()


async def test_orderly_ends_leave_nothing(host: Host) -> None:
    executor = host.executor()
    executor.extend(LONG, boot_time())
    io = RecordingIO()
    await executor.start(host.work("echo ready; sleep 1000"), io)
    await io.until(lambda io: b"ready" in io.kept)
    assert (await executor.wait(await executor.start(host.work("true", 2), io))).ok
    await executor.close()
    assert nothing_is_left(host)


async def test_a_killed_keeper_costs_its_step(host: Host) -> None:
    work = host.work("echo ready; setsid sleep 1000 & sleep 1000")
    (token,) = host.killed_over(work)
    executor, handle, _ = await host.take_up(token, work)
    step, *_ = alive(host.mark)
    os.kill(keeper_of(int(step.split()[0])), signal.SIGKILL)
    assert (await executor.wait(handle)).reason is Reason.LOST
    assert eventually(lambda: not alive(host.mark))
    await executor.close()


def keeper_of(pid: int) -> int:
    while Path(f"/proc/{pid}/comm").read_text() != "tide-keeper\n":
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


async def test_a_flood_while_nobody_listens_does_not_hold_the_step_up(host: Host) -> None:
    size = OUTPUT_KEPT + (4 << 20)
    work = host.work(f"echo ready; head -c {size} /dev/zero | tr '\\0' x; echo; touch over")
    (token,) = host.killed_over(work)
    assert eventually(lambda: (host.folder / "over").exists(), 30)
    executor, handle, io = await host.take_up(token, work)
    assert (await executor.wait(handle)).ok
    assert io.size == OUTPUT_KEPT == relay.KEPT
    await executor.close()


HOSTILE = """
import os, socket, sys, time
project = os.getcwd()
os.chdir(os.path.dirname(os.path.dirname(os.environ["TMPDIR"])))  # a socket's path is short
print("ready", flush=True)
while not os.path.exists(project + "/tried"):
    for name in os.listdir("."):
        if name.startswith("door-"):
            line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                line.connect(name)
                reader, writer = os.pipe()
                socket.send_fds(line, [b"J"], [writer, writer])
                said = line.recv(100)
            except ConnectionRefusedError:
                continue  # bound, and not heard yet: knock again
            except OSError as error:
                said = error.strerror.encode()
            line.close()
            with open(project + "/tried", "w") as file:
                file.write(repr(said))
    time.sleep(0.02)
while not os.path.exists(project + "/go"):
    time.sleep(0.02)
"""


async def test_a_step_cannot_take_itself_up(host: Host, tmp_path: Path) -> None:
    """It finds the door; nobody lets it in."""
    (tmp_path / "hostile.py").write_text(HOSTILE)
    work = host.work("exec python3 hostile.py")
    (token,) = host.killed_over(work)
    tried = tmp_path / "tried"
    assert eventually(lambda: tried.exists() and tried.read_text() != "")
    assert tried.read_text() in {"b''", repr(b"Connection reset by peer"), repr(b"Broken pipe")}
    executor, handle, _ = await host.take_up(token, work)
    host.go()
    assert (await executor.wait(handle)).ok
    await executor.close()


async def test_who_says_nothing_at_the_door_is_sent_away(host: Host) -> None:
    work = host.work(UNTIL_GO)
    (token,) = host.killed_over(work)
    name, _, knock = token.split(" ")
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = host.folder / "scratch" / name
    assert eventually(lambda: is_reached(str(folder), knock, line))
    with line:
        executor, handle, _ = await host.take_up(token, work)
        host.go()
        assert (await executor.wait(handle)).ok
        await executor.close()


def is_reached(folder: str, knock: str, line: socket.socket) -> bool:
    try:
        door.reach(folder, knock, line, listen=False)
    except OSError:
        return False
    return True


async def test_a_worker_that_is_not_known_again_takes_its_steps_with_it(host: Host) -> None:
    work = host.work("echo ready; sleep 1000")
    start_and_die(lambda: host.executor(recoverable=False), [work], LONG)
    assert nothing_is_left(host)


@pytest.mark.parametrize("token", ["", "x", "a b c", "local-1 1 door-2", "../x 1 y", "a/b 1 c"])
async def test_a_token_of_nobody_finds_nothing(host: Host, token: str) -> None:
    executor = host.executor()
    assert await executor.recover(token) is None
    await executor.close()
