"""What becomes of steps whose worker is killed, where it will be back; or, with an executor
that does not recover, of those of any worker."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidemill.spi import Executor, ExecutorContext, Handle, Outcome, Reason, Work, boot_time
from tidemill.testing.executor.bench import LIMIT, MARK, Bench, RecordingIO, Subject

READY = b"ready\n"
LONG = 1000.0
SHORT = 1.0
"""Seconds that steps are given."""


def start_and_die(
    new_executor: Callable[[], Executor], works: Sequence[Work], seconds: float
) -> list[str]:
    """The tokens of steps that were at work, and had written READY, when the process of
    their executor was killed; it had given them so many seconds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(_start(new_executor, works, seconds, writer))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as file:
        tokens = file.read().splitlines()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    return tokens


async def _start(
    new_executor: Callable[[], Executor], works: Sequence[Work], seconds: float, writer: int
) -> None:
    executor = new_executor()
    executor.extend(LONG, boot_time())
    for work in works:
        io = RecordingIO()
        handle = await executor.start(work, io)
        await io.until(lambda io: READY in io.kept)
        os.write(writer, f"{handle.token}\n".encode())
    executor.extend(seconds, boot_time())
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Killed:
    """A step whose worker was killed. `token` is empty where the executor does not recover:
    then it has been seen that nothing of the step is left."""

    new_executor: Callable[[], Executor]
    work: Work
    project: Path
    token: str

    def go(self) -> None:
        (self.project / "go").touch()

    async def taken_up(self, executor: Executor) -> tuple[Handle, RecordingIO]:
        executor.extend(LONG, boot_time())
        io = RecordingIO()
        handle = await executor.recover(self.token, self.work, io)
        assert handle is not None
        return handle, io


Kill = Callable[[str, float], Awaitable[Killed]]


@pytest.mark.asyncio
class Recovery(Subject):
    @pytest.fixture
    def kill(self, tmp_path: Path) -> Kill:
        """Kills a worker over a step with this script, which it has given so many seconds."""
        project = tmp_path / "project"
        project.mkdir()
        context = ExecutorContext(tmp_path / "scratch", leased=True, recoverable=True)

        def new_executor() -> Executor:
            return self.executor_type().factory(context)

        async def kill(script: str, seconds: float) -> Killed:
            bench = Bench(new_executor(), project, self.settings(), self.survivors)
            await bench.executor.close()
            work = bench.work(script)
            (token,) = start_and_die(new_executor, [work], seconds)
            if not bench.executor.recovers:
                await _await_its_end(bench.find, bench.mark)
                token = ""
            return Killed(new_executor, work, project, token)

        return kill

    async def test_a_step_outlives_a_worker_that_comes_back(self, kill: Kill) -> None:
        killed = await kill(
            "echo ready; until [ -e go ]; do sleep 0.02; done; echo end; exit 7", LONG
        )
        if killed.token:
            outcome, io = await _seen_through(killed)
            assert (outcome.reason, outcome.code) == (Reason.EXITED, 7)
            assert bytes(io.kept) == READY + b"end\n"

    async def test_a_step_that_ended_while_no_worker_lived_is_told_of(self, kill: Kill) -> None:
        killed = await kill(
            "echo ready; sleep 0.2; echo 'v=1' >> \"$TIDE_OUTPUT\"; touch over", LONG
        )
        if killed.token:
            await _until(lambda: (killed.project / "over").exists())
            outcome, io = await _seen_through(killed)
            assert (outcome.ok, outcome.values) == (True, b"v=1\n")
            assert bytes(io.kept) == READY

    async def test_a_step_whose_worker_comes_too_late_is_not_recovered(self, kill: Kill) -> None:
        killed = await kill("trap '' TERM; echo ready; sleep 1000; sleep 1000", SHORT)
        if killed.token:
            await _is_too_late(killed, self)

    async def test_a_step_that_is_recovered_has_the_time_that_its_new_worker_is_given(
        self, kill: Kill
    ) -> None:
        killed = await kill("trap '' TERM; echo ready; sleep 1000; sleep 1000", LONG)
        if killed.token:
            outcome = await _runs_out_of_time(killed)
            assert outcome.reason is Reason.LOST

    async def test_a_step_of_which_only_the_token_is_known_can_be_ended(self, kill: Kill) -> None:
        killed = await kill("trap '' TERM; echo ready; sleep 1000; sleep 1000", LONG)
        if killed.token:
            assert not (await _is_ended(killed)).ok
            assert (await self.survivors(killed.work.env[MARK])) == []


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not holds():  # noqa: ASYNC110 -- other processes set no events
            await asyncio.sleep(0.02)


async def _await_its_end(find: Callable[[str], Awaitable[list[str]]], mark: str) -> None:
    async with asyncio.timeout(LIMIT):
        while await find(mark):  # noqa: ASYNC110 -- other processes set no events
            await asyncio.sleep(0.05)


async def _seen_through(killed: Killed) -> tuple[Outcome, RecordingIO]:
    executor = killed.new_executor()
    handle, io = await killed.taken_up(executor)
    await io.until(lambda io: READY in io.kept)
    killed.go()
    async with asyncio.timeout(LIMIT):
        outcome = await executor.wait(handle)
    assert await executor.recover(killed.token, killed.work, RecordingIO()) is None
    await executor.close()
    return outcome, io


async def _is_too_late(killed: Killed, subject: Subject) -> None:
    await _await_its_end(subject.survivors, killed.work.env[MARK])
    executor = killed.new_executor()
    executor.extend(LONG, boot_time())
    handle = await executor.recover(killed.token, killed.work, RecordingIO())
    if handle is not None:  # what has become of it is still known
        assert (await executor.wait(handle)).reason is Reason.LOST
    await executor.close()


async def _runs_out_of_time(killed: Killed) -> Outcome:
    executor = killed.new_executor()
    handle, _ = await killed.taken_up(executor)
    executor.extend(SHORT, boot_time())
    async with asyncio.timeout(LIMIT):
        outcome = await executor.wait(handle)
    await executor.close()
    return outcome


async def _is_ended(killed: Killed) -> Outcome:
    executor = killed.new_executor()
    executor.extend(LONG, boot_time())
    handle = await executor.recover(killed.token)
    assert handle is not None
    await executor.stop(handle, 0)
    async with asyncio.timeout(LIMIT):
        outcome = await executor.wait(handle)
    await executor.close()
    return outcome
