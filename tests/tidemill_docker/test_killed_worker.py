"""No container outlives a worker that was killed or stands still for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import docker_images
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import Executor, ExecutorContext, ScriptAction, Work
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


def new_executor(folder: Path) -> Executor:
    (kind,) = tidemill_docker.tidemill_executors()
    return kind.factory(ExecutorContext(folder / "scratch"))


def work(folder: Path, script: str = "true") -> Work:
    settings = tidemill_docker.DockerSettings(image=docker_images.DEBIAN, pull="never")
    return Work("next", 1, "step", 1, 1, ScriptAction(script), folder / "project", settings)


async def test_the_next_executor_removes_what_a_killed_one_left(
    engine: Engine, tmp_path: Path
) -> None:
    host, tokens = start_host(tmp_path)
    assert len(tokens) == containers(engine) == 3
    kill(host)
    executor = new_executor(tmp_path / "elsewhere")  # every worker has a scratch of its own
    (tmp_path / "elsewhere/project").mkdir(parents=True)
    handle = await executor.start(work(tmp_path / "elsewhere"), RecordingIO())
    assert (await executor.wait(handle)).ok
    assert containers(engine, "--all") == 0
    assert list((tmp_path / "scratch").iterdir()) == []
    await executor.close()


async def test_those_of_a_living_worker_are_left_alone(engine: Engine, tmp_path: Path) -> None:
    host, _ = start_host(tmp_path)
    os.kill(host.pid, signal.SIGSTOP)
    executor = new_executor(tmp_path)
    handle = await executor.start(work(tmp_path), RecordingIO())
    assert (await executor.wait(handle)).ok
    await executor.close()
    assert containers(engine) == 3
    kill(host)
    executor = new_executor(tmp_path)
    await executor.prepare(work(tmp_path))
    assert containers(engine, "--all") == 0
    await executor.close()


async def test_a_step_of_a_killed_worker_is_taken_up(engine: Engine, tmp_path: Path) -> None:
    host, tokens = start_host(tmp_path)
    kill(host)
    executor = new_executor(tmp_path)
    handle = await executor.recover(tokens[1])
    assert handle is not None
    await executor.prepare(work(tmp_path))
    assert containers(engine) == 1  # the others nobody has asked for
    (tmp_path / "project/go").touch()
    assert (await executor.wait(handle)).code == 7
    assert containers(engine, "--all") == 0
    assert await executor.recover(tokens[1]) is None
    assert await executor.recover(tokens[2]) is None
    await executor.close()


async def test_a_step_of_a_living_worker_is_not_taken_up(engine: Engine, tmp_path: Path) -> None:
    host, tokens = start_host(tmp_path)
    executor = new_executor(tmp_path)
    assert await executor.recover(tokens[0]) is None
    kill(host)
    await executor.prepare(work(tmp_path))
    assert containers(engine, "--all") == 0
    await executor.close()


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
    await executor.prepare(work(tmp_path))
    assert docker_images.what_is_left(engine) == []
    await executor.close()


async def test_a_step_is_taken_up_with_its_services(engine: Engine, tmp_path: Path) -> None:
    host, tokens = start_host(tmp_path, "0", "services")
    kill(host)
    executor = new_executor(tmp_path)
    handle = await executor.recover(tokens[1])
    assert handle is not None
    await executor.prepare(work(tmp_path))
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
