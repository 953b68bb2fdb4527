"""However a step ends, the engine has no container, network or volume of it afterwards, and
what happened is said in words."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import docker_engine
import docker_images
import pytest
import small_disk
from docker_engine import Engine

import tidemill_docker
from tidemill.spi import (
    Executor,
    ExecutorContext,
    InputFile,
    Reason,
    ScriptAction,
    StartError,
    Work,
)
from tidemill.testing.executor.bench import Bench, RecordingIO
from tidemill_docker import life
from tidemill_docker.settings import DockerSettings

IMAGE = "with-volume:latest"
"""What is written to an image's volumes lies on the engine's disk, outside of the container."""


def settings(**more: object) -> DockerSettings:
    given = {"image": docker_images.BUSYBOX, "pull": "never", **more}
    return DockerSettings.model_validate(given)


BESIDE = {
    "service": {
        "beside": {"image": docker_images.BUSYBOX, "pull": "never", "command": ["sleep", "999"]}
    }
}


@pytest.fixture
def volumes(engine: Engine, tmp_path: Path) -> None:
    """The image, with a volume."""
    archive = tmp_path / "busybox.tar"
    found = engine.docker("create", docker_images.BUSYBOX, "true").strip()
    engine.docker("export", "--output", str(archive), found)
    engine.docker("rm", found)
    engine.docker("import", "--change", "VOLUME /data", str(archive), IMAGE)


@pytest.mark.usefixtures("volumes")
@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("true", (Reason.EXITED, 0, None)),
        ("exit 3", (Reason.EXITED, 3, None)),
        ("kill -SEGV $$", (Reason.KILLED, None, signal.SIGSEGV)),
        ("exec tail /dev/zero", (Reason.KILLED, None, signal.SIGKILL)),
    ],
)
async def test_an_end_leaves_neither_container_nor_network_nor_volume(
    bench: Bench, engine: Engine, script: str, wanted: tuple[Reason, int | None, int | None]
) -> None:
    made = settings(image=IMAGE, memory="32MB", image_volumes="anonymous", **BESIDE)
    running = await bench.start(f"echo ready; sleep 0.3; {script}", settings=made)
    await running.says(b"ready")
    assert [line.split()[0] for line in docker_images.what_is_left(engine)] == [
        "container", "container", "network", "volume",
    ]  # fmt: skip
    outcome = await running.end()
    assert (outcome.reason, outcome.code, outcome.signal) == wanted
    assert docker_images.what_is_left(engine) == []


async def test_a_step_whose_image_is_missing_leaves_none_of_its_services(
    bench: Bench, engine: Engine
) -> None:
    work = bench.work("true", settings=settings(image="no/such:image", **BESIDE))
    with pytest.raises(StartError, match="the engine has no image no/such:image"):
        await bench.executor.start(work, RecordingIO())
    assert docker_images.what_is_left(engine) == []


# -- an engine that goes away


@contextmanager
def engine_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, size: str = "50%", *, again: bool = False
) -> Iterator[Engine]:
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine(size, again=again)
    try:
        docker_images.import_busybox(engine)
        monkeypatch.setenv("DOCKER_HOST", engine.env["DOCKER_HOST"])
        yield engine
    finally:
        engine.stop()


@asynccontextmanager
async def executor_in(folder: Path) -> AsyncIterator[Executor]:
    (folder / "project").mkdir()
    (kind,) = tidemill_docker.tidemill_executors()
    executor: Executor = kind.factory(ExecutorContext(folder / "scratch"))
    yield executor
    await executor.close()


def work(folder: Path, script: str, **more: object) -> Work:
    project = folder / "project"
    project.chmod(0o777)
    action = ScriptAction(script)
    return Work("1", 1, "step", 1, 1, action, project, settings(workspace="none", **more))


def becomes_clear(engine: Engine, within: float = 60) -> bool:
    end = time.monotonic() + within
    while not is_clear(engine) and time.monotonic() < end:
        time.sleep(0.1)
    return is_clear(engine)


def is_clear(engine: Engine) -> bool:
    try:
        return docker_images.what_is_left(engine) == []
    except AssertionError:  # it is not back yet
        return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_an_engine_that_is_restarted_loses_the_step_and_keeps_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: signal.Signals
) -> None:
    with engine_of_ones_own(monkeypatch, again=True) as engine:
        async with executor_in(tmp_path) as executor:
            io = RecordingIO()
            handle = await executor.start(work(tmp_path, "sleep 1000", **BESIDE), io)
            os.kill(engine.daemon, how)
            outcome = await executor.wait(handle)
            assert outcome.reason is Reason.LOST
            assert "the Docker engine" in outcome.detail
            assert await asyncio.to_thread(becomes_clear, engine)


async def test_an_engine_that_is_away_for_long_is_cleared_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the same executor: its worker need not end first."""
    monkeypatch.setattr(life, "_PATIENCE", 0.5)
    with engine_of_ones_own(monkeypatch, again=True) as engine:
        async with executor_in(tmp_path) as executor:
            io = RecordingIO()
            handle = await executor.start(work(tmp_path, "sleep 1000", **BESIDE), io)
            (engine.folder / "away").touch()
            os.kill(engine.daemon, signal.SIGKILL)
            outcome = await executor.wait(handle)
            assert outcome.detail == (
                "the Docker engine does not answer any more: nobody knows how the step ended"
            )
            (engine.folder / "away").unlink()
            assert await asyncio.to_thread(becomes_clear, engine)


# -- a disk that is full


async def test_an_engine_whose_disk_is_full_says_so_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with engine_of_ones_own(monkeypatch, "24m") as engine:
        async with executor_in(tmp_path) as executor:
            running = await executor.start(work(tmp_path, "sleep 2; exit 3"), RecordingIO())
            await asyncio.to_thread(small_disk.fill, engine.data)
            second = replace(work(tmp_path, "true", **BESIDE), id="2")
            with pytest.raises(StartError, match="no space left on device") as caught:
                await executor.start(second, RecordingIO())
            assert len(str(caught.value).splitlines()) == 1
            assert (await executor.wait(running)).code == 3
            assert docker_images.what_is_left(engine) == []


async def test_a_scratch_that_is_full_is_told_before_anything_runs(
    engine: Engine, tmp_path: Path
) -> None:
    with small_disk.small_disk(tmp_path / "scratch", "64k"):
        async with executor_in(tmp_path) as executor:
            given = work(tmp_path, "true")
            source = tmp_path / "large"
            source.write_bytes(bytes(200_000))
            given = replace(given, inputs=(InputFile("large", source),))
            with pytest.raises(StartError, match="cannot prepare the step's files: No space left"):
                await executor.start(given, RecordingIO())
    assert docker_images.what_is_left(engine) == []


async def test_a_step_that_fills_the_scratch_fails_and_leaves_it_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The engine is started behind the mount, or it would not see it."""
    disk = small_disk.small_disk(tmp_path / "scratch", "1m")
    with disk, engine_of_ones_own(monkeypatch) as engine:
        async with executor_in(tmp_path) as executor:
            io = RecordingIO()
            given = work(tmp_path, 'cat /dev/zero >"$TIDE_OUTPUT"')
            outcome = await executor.wait(await executor.start(given, io))
            assert (outcome.code, b"No space left" in io.kept) == (1, True)
            assert not list((tmp_path / "scratch").glob("docker-*/*"))
        assert docker_images.what_is_left(engine) == []


async def test_tmp_is_bounded(bench: Bench) -> None:
    """It is in memory, and so of the machine that all steps share."""
    outcome, running = await bench.run(
        "cat /dev/zero >/tmp/x", settings=settings(tmp="1MB", workspace="none")
    )
    assert (outcome.code, b"No space left" in running.output) == (1, True)


@pytest.mark.usefixtures("volumes")
async def test_a_volume_of_an_image_is_memory_and_bounded(bench: Bench, engine: Engine) -> None:
    """The step's own user may write there, also where the image's folder is root's."""
    script = (
        "cat /dev/zero >/data/x || stat -c %s /data/x; stat -c '%a %u' /data; echo ready; sleep 99"
    )
    made = settings(image=IMAGE, tmp="1MiB", workspace="none", user="70:71")
    running = await bench.start(script, settings=made)
    await running.says(b"ready")
    assert running.output.endswith(b"No space left on device\n1048576\n700 70\nready\n")
    assert [line.split()[0] for line in docker_images.what_is_left(engine)] == ["container"]
    await running.stop(0)
    await running.end()


@pytest.mark.usefixtures("volumes")
async def test_a_service_has_the_volumes_of_its_image_in_memory(
    bench: Bench, engine: Engine
) -> None:
    beside = {"image": IMAGE, "pull": "never", "command": ["sleep", "99"], "tmp": "1MB"}
    made = settings(service={"beside": beside}, workspace="none")
    running = await bench.start("echo ready; sleep 99", settings=made)
    await running.says(b"ready")
    found = engine.docker("ps", "--quiet", "--filter", f"ancestor={IMAGE}").split()[0]
    assert "tmpfs" in engine.docker("exec", found, "grep", " /data ", "/proc/mounts")
    assert "volume" not in [line.split()[0] for line in docker_images.what_is_left(engine)]
    await running.stop(0)
    await running.end()


async def test_a_volume_of_an_image_hides_nothing_of_the_step(
    bench: Bench, engine: Engine, tmp_path: Path
) -> None:
    """An image may declare any folder, ours too."""
    archive = tmp_path / "busybox.tar"
    found = engine.docker("create", docker_images.BUSYBOX, "true").strip()
    engine.docker("export", "--output", str(archive), found)
    engine.docker("rm", found)
    changes = [f"--change=VOLUME {path}" for path in ("/workspace/", "/tmp", "/.tidemill", "var/x")]
    engine.docker("import", *changes, str(archive), IMAGE)
    (bench.project / "there").write_text("content\n")
    text = await bench.text(
        'cat there; echo x=1 >"$TIDE_OUTPUT"; echo y >/tmp/y; cat /tmp/y; echo z >/var/x/z',
        settings=settings(image=IMAGE),
    )
    assert text == "content\ny\n"
