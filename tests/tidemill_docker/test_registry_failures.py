"""Registries that fail: each in one clear line, and nothing of an image is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import docker_engine
import pytest
import registry
from docker_engine import Engine
from registry import IMAGE, Registry
from registry_steps import executor_in, pulled, refusal, until, work

from tidemill.spi import StartError
from tidemill.testing.executor.bench import RecordingIO
from tidemill_docker import pulling

OUT_OF_REACH = "its registry cannot be reached, or broke off; check its name, and that"


async def test_a_registry_that_is_away(
    asking_engine: Engine, real_registry: Registry, tmp_path: Path
) -> None:
    del asking_engine
    real_registry.stop()
    try:
        said = await refusal(tmp_path, work(tmp_path))
    finally:
        real_registry.start()
    assert said.startswith(f"cannot pull the image {IMAGE}: {OUT_OF_REACH}")
    assert "connection refused" in said


@pytest.mark.parametrize("mode", ["silent", "stalls"])
async def test_a_registry_that_says_nothing_any_more(
    asking_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """From the start, or in the middle of a layer."""
    monkeypatch.setattr(pulling, "SILENCE", 2.0)
    with registry.proxy(asking_engine, mode) as where:
        image = f"{where}/team/busybox:1"
        said = await refusal(tmp_path, work(tmp_path, image))
    assert said.startswith(f"cannot pull the image {image}: nothing has come for 2 s; check that")
    assert pulled(asking_engine) == []


@pytest.mark.parametrize(
    ("mode", "why"), [("dies", OUT_OF_REACH), ("lies", "what came is not what was pushed; push")]
)
async def test_a_registry_that_fails_in_the_middle_of_a_layer(
    asking_engine: Engine, tmp_path: Path, mode: str, why: str
) -> None:
    with registry.proxy(asking_engine, mode) as where:
        image = f"{where}/team/busybox:1"
        said = await refusal(tmp_path, work(tmp_path, image))
    assert said.startswith(f"cannot pull the image {image}: {why}")
    assert pulled(asking_engine) == []


async def test_an_executor_that_is_closed_waits_for_no_registry(
    asking_engine: Engine, tmp_path: Path
) -> None:
    with registry.proxy(asking_engine, "silent") as where:
        async with executor_in(tmp_path) as executor:
            image = f"{where}/team/busybox:1"
            log = asking_engine.folder / "log"
            before = log.read_text().count("/images/create")
            starting = asyncio.ensure_future(executor.start(work(tmp_path, image), RecordingIO()))
            await until(lambda: log.read_text().count("/images/create") > before)
            async with asyncio.timeout(10):
                await executor.close()
            with pytest.raises(StartError, match="was closed while it pulled the image"):
                await starting


async def test_an_engine_that_is_killed_in_a_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine(options="--debug")
    log = engine.folder / "log"
    monkeypatch.setenv("DOCKER_HOST", engine.env["DOCKER_HOST"])
    try:
        with registry.proxy(engine, "silent") as where:
            async with executor_in(tmp_path) as executor:
                given = work(tmp_path, f"{where}/team/busybox:1")
                starting = asyncio.ensure_future(executor.start(given, RecordingIO()))
                await until(lambda: f"Trying to pull {where}/team/busybox" in log.read_text())
                engine.process.kill()
                with pytest.raises(StartError, match="broke off the pull of the image"):
                    await starting
    finally:
        engine.stop()
