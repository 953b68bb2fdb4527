"""A container that is made ahead waits for its step, and is nobody's without it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import docker_engine
import docker_images
import pytest
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import (
    ExecutorContext,
    InputFile,
    Reason,
    ScriptAction,
    StartError,
    Work,
    boot_time,
)
from tidemill.testing.executor.bench import Bench, RecordingIO
from tidemill_docker.executor import DockerExecutor

HOST = Path(__file__).parent.parent / "support" / "docker_ahead_host.py"
BESIDE = {"beside": {"image": docker_images.DEBIAN, "pull": "never", "command": ["sleep", "999"]}}


def work(folder: Path, script: str = "echo fine", **more: object) -> Work:
    given = {"image": docker_images.DEBIAN, "pull": "never", "workspace": "none", **more}
    settings = tidemill_docker.DockerSettings.model_validate(given)
    return Work("1", 1, "step", 1, 1, ScriptAction(script), folder, settings)


@asynccontextmanager
async def executor_in(
    folder: Path, *, leased: bool = False, recoverable: bool = False
) -> AsyncIterator[DockerExecutor]:
    executor = DockerExecutor(ExecutorContext(folder / "scratch", leased, recoverable))
    executor.extend(1000, boot_time())
    yield executor
    await executor.close()


async def said(executor: DockerExecutor, given: Work) -> bytes:
    io = RecordingIO()
    outcome = await executor.wait(await executor.start(given, io))
    assert outcome.ok, outcome
    return bytes(io.kept)


def held(engine: Engine) -> list[str]:
    return engine.docker("ps", "--quiet", "--no-trunc").split()


def left(engine: Engine, folder: Path) -> list[str]:
    """In the engine, and of steps' folders."""
    folders = [path.name for path in (folder / "scratch").glob("docker-*/*") if path.is_dir()]
    return docker_images.what_is_left(engine) + folders


async def becomes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  the engine does it
            await asyncio.sleep(0.05)


async def test_the_step_begins_in_the_container_that_waits_for_it(
    engine: Engine, tmp_path: Path
) -> None:
    async with executor_in(tmp_path) as executor:
        given = work(tmp_path, "hostname")
        await executor.prepare(given)
        (waiting,) = held(engine)
        assert (await said(executor, given)).decode().strip() == waiting[:12]
        assert left(engine, tmp_path) == []


async def test_nothing_of_the_step_is_in_it_before(engine: Engine, tmp_path: Path) -> None:
    """Neither its variables, among which are its secrets, nor its arguments."""
    async with executor_in(tmp_path) as executor:
        given = replace(work(tmp_path, "echo $TOKEN"), env={"TOKEN": "hush-hush"})
        await executor.prepare(given)
        (waiting,) = held(engine)
        assert "hush-hush" not in engine.docker("inspect", waiting)
        assert "hush" not in engine.docker("exec", waiting, "cat", "/proc/1/environ")
        inside = engine.docker("exec", waiting, "sh", "-c", "cat /proc/[0-9]*/cmdline")
        assert "TOKEN" not in inside
        assert await said(executor, given) == b"hush-hush\n"


@pytest.mark.usefixtures("engine")
async def test_its_inputs_are_in_place_before(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    given = replace(work(tmp_path, "cat $TIDE_INPUTS/in"), inputs=(InputFile("in", source),))
    async with executor_in(tmp_path) as executor:
        await executor.prepare(given)
        source.unlink()
        assert await said(executor, given) == b"content"


async def test_what_runs_in_it_is_what_runs_in_any(bench: Bench) -> None:
    """Process tree, mounts, limits and rights."""
    script = (
        "set -- /proc/[0-9]*; echo $#; for p in 1 $PPID $$; do tr '\\0' ' ' </proc/$p/cmdline; "
        "grep -E '^(Sig[IC]|Cap|Seccomp|NoNew|Uid|Gid|Groups)' /proc/$p/status; done; "
        "grep Sig /proc/self/status; cut -d' ' -f5 /proc/self/mountinfo | sort; ulimit -a; cat; "
        "ls -l /proc/self/fd | sed 's/.* \\([0-9]\\) -> /\\1 /; s/:\\[.*//; s/proc.*//'; exit 7"
    )
    cold = bench.work(script)
    warm = replace(cold, id="warm")
    await bench.executor.prepare(warm)
    (one, first), (other, second) = await bench.run(cold), await bench.run(warm)
    assert (one.reason, one.code) == (other.reason, other.code) == (Reason.EXITED, 7)
    assert "docker-init" in first.output.decode()
    assert first.output.decode() == second.output.decode()


@pytest.mark.parametrize("service", [{}, BESIDE])
async def test_what_is_discarded_leaves_nothing(
    engine: Engine, tmp_path: Path, service: dict[str, object]
) -> None:
    async with executor_in(tmp_path) as executor:
        given = work(tmp_path, service=service)
        await executor.prepare(given)
        assert len(held(engine)) == 1 + len(service)
        executor.discard(given)
        await becomes(lambda: left(engine, tmp_path) == [])


@pytest.mark.parametrize("after", [0, 0.05, 0.1, 0.2, 0.3])
async def test_a_prepare_that_is_broken_off_leaves_nothing(
    engine: Engine, tmp_path: Path, after: float
) -> None:
    async with executor_in(tmp_path) as executor:
        preparing = asyncio.ensure_future(executor.prepare(work(tmp_path)))
        await asyncio.wait({preparing}, timeout=after)
        preparing.cancel()
        executor.discard(work(tmp_path))
        await asyncio.wait({preparing})
        await becomes(lambda: left(engine, tmp_path) == [])


async def test_an_executor_that_is_closed_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    async with executor_in(tmp_path) as executor:
        await executor.prepare(work(tmp_path, service=BESIDE))
        await executor.close()
        assert docker_images.what_is_left(engine) == []
        assert not list((tmp_path / "scratch").iterdir())
        with pytest.raises(StartError, match="closed"):
            await executor.prepare(work(tmp_path))


@pytest.mark.parametrize("changed", [{"memory": "64MB"}, {"user": "1000:1000"}])
async def test_other_settings_take_another_container(
    engine: Engine, tmp_path: Path, changed: dict[str, object]
) -> None:
    async with executor_in(tmp_path) as executor:
        await executor.prepare(work(tmp_path, "hostname"))
        (waiting,) = held(engine)
        begun_in = (await said(executor, work(tmp_path, "hostname", **changed))).decode().strip()
        assert begun_in != waiting[:12]
        await becomes(lambda: left(engine, tmp_path) == [])


@pytest.mark.parametrize("service", [{}, BESIDE])
async def test_a_container_that_somebody_removed_is_made_anew(
    engine: Engine, tmp_path: Path, service: dict[str, object]
) -> None:
    """The step's own, or its service's."""
    async with executor_in(tmp_path) as executor:
        given = work(tmp_path, service=service)
        await executor.prepare(given)
        filters = ["--filter", "label=tidemill.service"] if service else []
        (found,) = engine.docker("ps", "--quiet", *filters).split()
        engine.docker("rm", "--force", found)
        assert await said(executor, given) == b"fine\n"
        await becomes(lambda: left(engine, tmp_path) == [])


async def test_an_engine_that_was_restarted_meanwhile_costs_nothing_but_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine(again=True)
    try:
        docker_images.import_images(engine)
        monkeypatch.setenv("DOCKER_HOST", engine.env["DOCKER_HOST"])
        async with executor_in(tmp_path) as executor:
            await executor.prepare(work(tmp_path, service=BESIDE))
            before = engine.daemon
            os.kill(before, signal.SIGTERM)
            await becomes(lambda: engine.daemon not in {0, before} and _answers(engine))
            assert await said(executor, work(tmp_path, service=BESIDE)) == b"fine\n"
            await becomes(lambda: left(engine, tmp_path) == [])
    finally:
        engine.stop()


def _answers(engine: Engine) -> bool:
    return not subprocess.run(["docker", "info"], env=engine.env, capture_output=True).returncode


async def test_without_its_image_it_cannot_be_got_ready_and_leaves_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    async with executor_in(tmp_path) as executor:
        given = work(tmp_path, image="no/such:image", service=BESIDE)
        with pytest.raises(StartError, match="the engine has no image no/such:image"):
            await executor.prepare(given)
        assert left(engine, tmp_path) == []


# -- workers that die or stand still


def start_host(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A worker that holds three containers."""
    command = [sys.executable, str(HOST), str(folder / "scratch"), docker_images.DEBIAN, *words]
    host = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"ready\n"
    return host


def kill(host: subprocess.Popen[bytes]) -> None:
    with host:
        host.kill()


def test_what_a_killed_worker_held_is_removed_at_once(engine: Engine, tmp_path: Path) -> None:
    host = start_host(tmp_path, "1000")
    assert len(held(engine)) == 3
    kill(host)
    _eventually(lambda: docker_images.what_is_left(engine) == [])
    _eventually(lambda: not list((tmp_path / "scratch").iterdir()))


def test_what_a_worker_held_that_will_be_back_is_removed_when_its_time_is_over(
    engine: Engine, tmp_path: Path
) -> None:
    host = start_host(tmp_path, "8", "recoverable")
    assert len(held(engine)) == 3
    kill(host)
    _eventually(lambda: not held(engine))  # their shells have lost whom they waited for
    _eventually(lambda: docker_images.what_is_left(engine) == [])
    _eventually(lambda: not list((tmp_path / "scratch").iterdir()))


def test_what_a_stopped_worker_held_is_killed_when_its_time_is_over(
    engine: Engine, tmp_path: Path
) -> None:
    host = start_host(tmp_path, "2")
    os.kill(host.pid, signal.SIGSTOP)
    _eventually(lambda: not held(engine))
    kill(host)
    _eventually(lambda: docker_images.what_is_left(engine) == [])


async def test_the_next_executor_removes_what_a_killed_one_held(
    engine: Engine, tmp_path: Path
) -> None:
    host = start_host(tmp_path, "0")
    assert len(held(engine)) == 3
    kill(host)
    async with executor_in(tmp_path / "next") as executor:
        assert await said(executor, work(tmp_path)) == b"fine\n"
        assert docker_images.what_is_left(engine) == []


async def test_what_is_held_is_not_taken_up(engine: Engine, tmp_path: Path) -> None:
    """A worker that recovers its step leaves what was only held to nobody."""
    host = start_host(tmp_path, "1000", "recoverable", "one at work")
    assert host.stdout is not None
    token = host.stdout.readline().decode().strip()
    assert len(held(engine)) == 4
    kill(host)
    async with executor_in(tmp_path, leased=True, recoverable=True) as executor:
        handle = await executor.recover(token, work(tmp_path), RecordingIO())
        assert handle is not None
        await executor.prepare(replace(work(tmp_path), id="another"))
        assert len(held(engine)) == 2
        await executor.stop(handle, 0)
        await executor.wait(handle)


def _eventually(holds: Callable[[], bool], within: float = 30) -> None:
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    assert holds()
