# ruff: noqa: ASYNC110 -- nothing but the host tells
"""The shell of the next step, which waits for its order on the host."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from sshd import Sshd

import tidemill_ssh
from tidemill.spi import Executor, ExecutorContext, ScriptAction, Work, boot_time
from tidemill.testing.executor.bench import RecordingIO

(KIND,) = tidemill_ssh.tidemill_executors()
NUMBERS = count(1)


@pytest_asyncio.fixture
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Executor]:
    """On a lease, where a test asks for that."""
    leased = bool(getattr(request, "param", False))
    executor = KIND.factory(ExecutorContext(tmp_path / "scratch", leased))
    yield executor
    await executor.close()


async def text(executor: Executor, sshd: Sshd, script: str) -> str:
    settings, io = KIND.settings.model_validate(sshd.settings()), RecordingIO()
    work = Work(str(next(NUMBERS)), 1, "step", 1, 1, ScriptAction(script), Path("/"), settings)
    outcome = await asyncio.wait_for(executor.wait(await executor.start(work, io)), 60)
    assert outcome.ok, outcome
    return bytes(io.kept).decode().strip()


async def place(executor: Executor, sshd: Sshd) -> Path:
    """The folder of the supervisor that runs a step now."""
    return Path(await text(executor, sshd, "pwd")).parent


def shells(folder: Path) -> tuple[list[int], list[int]]:
    """Of the supervisor with this folder, and those that wait."""
    supervisors, waiting = [], []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sh" and folder.name.removeprefix("tidemill-").encode() in words:
            waits = f"{folder}/order".encode() in words
            (waiting if waits else supervisors).append(int(file.parent.name))
    return supervisors, waiting


async def one_waits(folder: Path) -> int:
    async with asyncio.timeout(30):
        while not (waiting := shells(folder)[1]):
            await asyncio.sleep(0.02)
    return waiting[0]


async def test_one_that_is_killed_is_replaced(executor: Executor, sshd: Sshd) -> None:
    folder = await place(executor, sshd)
    os.kill(await one_waits(folder), signal.SIGKILL)
    assert await place(executor, sshd) == folder
    assert await place(executor, sshd) == folder


async def test_it_goes_with_its_supervisor(executor: Executor, sshd: Sshd) -> None:
    folder = await place(executor, sshd)
    await one_waits(folder)
    for pid in shells(folder)[0]:
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while any(shells(folder)):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("executor", [True], indirect=True)
async def test_it_outlives_the_lease_of_the_step_before(executor: Executor, sshd: Sshd) -> None:
    executor.extend(3, boot_time())
    folder = await place(executor, sshd)
    waiting = await one_waits(folder)
    async with asyncio.timeout(30):
        while not (folder / "over").exists():
            await asyncio.sleep(0.02)
    executor.extend(60, boot_time())
    assert await text(executor, sshd, "echo $$") == str(waiting)


async def test_a_step_has_no_way_to_its_orders(executor: Executor, sshd: Sshd) -> None:
    script = "for f in 3 4 5 6 7 8 9 10 11 12; do [ ! -e /proc/$$/fd/$f ] || echo $f; done"
    assert await text(executor, sshd, f"readlink /proc/$$/fd/0; {script}") == "/dev/null"
