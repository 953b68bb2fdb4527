"""No container outlives a worker that was killed or stands still for long."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import docker_images
import pytest
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import (
    Executor,
    ExecutorContext,
    Handle,
    Reason,
    ScriptAction,
    StartError,
    Work,
    boot_time,
)
from tidemill.testing.executor.bench import RecordingIO

HOST = Path(__file__).parent.parent / "support" / "docker_host.py"


def start_host(folder: Path, *seconds: str) -> tuple[subprocess.Popen[bytes], list[str]]:
    """A worker with three steps at work, and their tokens."""
    (folder / "project").mkdir(exist_ok=True)
    arguments = [str(folder / "scratch"), str(folder / "project"), docker_images.DEBIAN]
    host = subprocess.Popen(
        [sys.executable, str(HOST), *arguments, *seconds], stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    return host, host.stdout.readline().decode().split()


def kill(host: subprocess.Popen[bytes]) -> None:
    with host:
        host.kill()


def containers(engine: Engine, *more: str) -> int:
    return len(engine.docker("ps", "--quiet", *more).split())


def eventually(holds: Callable[[], bool], within: float = 30) -> bool:
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def new_executor(folder: Path, *, recoverable: bool = False) -> Executor:
    (kind,) = tidemill_docker.tidemill_executors()
    executor = kind.factory(ExecutorContext(folder / "scratch", recoverable, recoverable))
    executor.extend(1000, boot_time())
    return executor


def work(folder: Path, script: str = "true") -> Work:
    settings = tidemill_docker.DockerSettings(image=docker_images.DEBIAN, pull="never")
    return Work("next", 1, "step", 1, 1, ScriptAction(script), folder / "project", settings)


async def carry_out_one(executor: Executor, folder: Path) -> None:
    """Before its first step an executor removes what others left."""
    one = replace(work(folder), id="one")
    assert (await executor.wait(await executor.start(one, RecordingIO()))).ok


async def test_the_next_executor_removes_what_a_killed_one_left(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path)
    assert len(tokens) == containers(engine) == 3
    kill(host)
    executor = new_executor(tmp_path / "elsewhere")  # every worker has a scratch of its own
    (tmp_path / "elsewhere/project").mkdir(parents=True)
    await carry_out_one(executor, tmp_path / "elsewhere")
    assert containers(engine, "--all") == 0
    assert list((tmp_path / "scratch").iterdir()) == []
    await executor.close()


async def test_those_of_a_living_worker_are_left_alone(engine: Engine, tmp_path: Path) -> None:
    host, _ = start_host(tmp_path)
    os.kill(host.pid, signal.SIGSTOP)
    executor = new_executor(tmp_path)
    await carry_out_one(executor, tmp_path)
    await executor.close()
    assert containers(engine) == 3
    kill(host)
    executor = new_executor(tmp_path)
    await carry_out_one(executor, tmp_path)
    assert containers(engine, "--all") == 0
    await executor.close()


OUTPUT = b"one\n\nthree\nfour"


async def taken_up(executor: Executor, token: str, folder: Path) -> tuple[Handle, RecordingIO]:
    io = RecordingIO()
    handle = await executor.recover(token, work(folder), io)
    assert handle is not None
    return handle, io


async def test_a_step_of_a_killed_worker_is_taken_up_with_all_that_it_wrote(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path, "1000", "recoverable")
    kill(host)
    executor = new_executor(tmp_path, recoverable=True)
    handle, io = await taken_up(executor, tokens[1], tmp_path)
    await carry_out_one(executor, tmp_path)
    assert containers(engine) == 1  # the others nobody has asked for
    await io.until(lambda io: b"three" in io.kept)
    (tmp_path / "project/go").touch()
    assert (await executor.wait(handle)).code == 7
    assert bytes(io.kept).rstrip(b"\n") == OUTPUT
    assert containers(engine, "--all") == 0
    assert await executor.recover(tokens[1]) is None
    assert await executor.recover(tokens[2]) is None
    await executor.close()
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_step_that_ended_while_no_worker_lived_is_told_of(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path, "1000", "recoverable")
    kill(host)
    (tmp_path / "project/go").touch()
    assert eventually(lambda: containers(engine) == 0)
    executor = new_executor(tmp_path, recoverable=True)
    handle, io = await taken_up(executor, tokens[0], tmp_path)
    assert (await executor.wait(handle)).code == 7
    assert bytes(io.kept).rstrip(b"\n") == OUTPUT
    await executor.close()


async def test_a_step_is_taken_up_again_and_again(engine: Engine, tmp_path: Path) -> None:
    """The second worker is killed, too; its helper has the step then."""
    host, tokens = start_host(tmp_path, "1000", "recoverable")
    kill(host)
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(_take_up_and_die(tmp_path, tokens[0]))
        finally:
            os._exit(1)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert containers(engine) == 1
    executor = new_executor(tmp_path, recoverable=True)
    handle, io = await taken_up(executor, tokens[0], tmp_path)
    (tmp_path / "project/go").touch()
    assert (await executor.wait(handle)).code == 7
    assert bytes(io.kept).rstrip(b"\n") == OUTPUT
    await executor.close()


async def _take_up_and_die(folder: Path, token: str) -> None:
    executor = new_executor(folder, recoverable=True)
    handle = await executor.recover(token, work(folder), RecordingIO())
    await carry_out_one(executor, folder)
    if handle is not None:
        os.kill(os.getpid(), signal.SIGKILL)


async def test_a_step_of_a_living_worker_is_not_taken_up(engine: Engine, tmp_path: Path) -> None:
    host, tokens = start_host(tmp_path, "1000", "recoverable")
    executor = new_executor(tmp_path, recoverable=True)
    with pytest.raises(StartError, match="still lives"):
        await executor.recover(tokens[0])
    assert containers(engine) == 3
    kill(host)
    await carry_out_one(executor, tmp_path)
    assert containers(engine, "--all") == 3  # another one of its own may come for them
    for token in tokens:
        await executor.recover(token)
    await executor.close()


async def test_a_step_that_nobody_comes_back_for_ends_when_its_time_is_over(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path, "3", "recoverable")
    kill(host)
    assert containers(engine) == 3
    assert eventually(lambda: containers(engine, "--all") == 0)
    assert eventually(lambda: list((tmp_path / "scratch").iterdir()) == [])
    executor = new_executor(tmp_path, recoverable=True)
    assert await executor.recover(tokens[0], work(tmp_path), RecordingIO()) is None
    await executor.close()


async def test_a_step_that_was_taken_up_ends_when_its_new_time_is_over(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path, "1000", "recoverable")
    kill(host)
    executor = new_executor(tmp_path, recoverable=True)
    handle, _ = await taken_up(executor, tokens[0], tmp_path)
    executor.extend(0.5, boot_time())
    assert (await executor.wait(handle)).reason is Reason.LOST
    await executor.close()
    assert containers(engine, "--all") == 0


def test_leased_steps_of_a_killed_worker_are_removed_at_once(
    engine: Engine, tmp_path: Path
) -> None:
    host, _ = start_host(tmp_path, "1000")
    assert containers(engine) == 3
    kill(host)
    assert eventually(lambda: containers(engine, "--all") == 0)
    assert eventually(lambda: list((tmp_path / "scratch").iterdir()) == [])


def test_leased_steps_of_a_stopped_worker_end_in_time(engine: Engine, tmp_path: Path) -> None:
    host, _ = start_host(tmp_path, "2")
    os.kill(host.pid, signal.SIGSTOP)
    assert containers(engine) == 3
    began = time.monotonic()
    assert eventually(lambda: containers(engine) == 0)
    assert 0.5 < time.monotonic() - began < 5
    kill(host)
    assert eventually(lambda: containers(engine, "--all") == 0)


async def test_the_next_executor_removes_services_and_networks_too(
    engine: Engine, tmp_path: Path
) -> None:
    host, _ = start_host(tmp_path, "0", "services")
    assert containers(engine) == 6
    assert len(docker_images.what_is_left(engine)) == 9
    kill(host)
    executor = new_executor(tmp_path)
    await carry_out_one(executor, tmp_path)
    assert docker_images.what_is_left(engine) == []
    await executor.close()


async def test_a_step_is_taken_up_with_its_services(engine: Engine, tmp_path: Path) -> None:
    host, tokens = start_host(tmp_path, "1000", "services", "recoverable")
    kill(host)
    executor = new_executor(tmp_path, recoverable=True)
    handle, _ = await taken_up(executor, tokens[1], tmp_path)
    await carry_out_one(executor, tmp_path)
    assert len(docker_images.what_is_left(engine)) == 3
    (tmp_path / "project/go").touch()
    assert (await executor.wait(handle)).code == 7
    assert docker_images.what_is_left(engine) == []
    await executor.close()


def test_services_of_leased_steps_of_a_killed_worker_are_removed_at_once(
    engine: Engine, tmp_path: Path
) -> None:
    host, _ = start_host(tmp_path, "1000", "services")
    assert len(docker_images.what_is_left(engine)) == 9
    kill(host)
    assert eventually(lambda: docker_images.what_is_left(engine) == [])
