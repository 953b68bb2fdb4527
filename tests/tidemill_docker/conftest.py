"""One engine for all tests of a process, with images in it, and benches with executors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import docker_engine
import docker_images
import pytest
import registry
import registry_steps
from docker_engine import Engine
from registry import Registry

import tidemill_docker
from tidemill.spi import ExecutorContext
from tidemill.testing.executor.bench import Bench, marked_processes


@pytest.fixture(scope="session")
def session_engine() -> Iterator[Engine]:
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine()
    try:
        docker_images.import_images(engine)
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def engine(session_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The one that the executor finds; no test may leave anything in it."""
    monkeypatch.setenv("DOCKER_HOST", session_engine.env["DOCKER_HOST"])
    monkeypatch.setenv("DOCKER_CONFIG", session_engine.env["DOCKER_CONFIG"])
    yield session_engine
    left = docker_images.what_is_left(session_engine)
    docker_images.clear(session_engine)
    assert left == []


@pytest.fixture(scope="session")
def pulling_engine() -> Iterator[Engine]:
    """It tells of all that it does, and does not try a layer again for a minute."""
    if why := docker_engine.missing():
        pytest.skip(why)
    engine = Engine(options="--debug --max-download-attempts 1")
    try:
        docker_images.import_busybox(engine)
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def real_registry(pulling_engine: Engine) -> Iterator[Registry]:
    if why := registry.missing():
        pytest.skip(why)
    started = Registry(pulling_engine)
    yield started
    started.remove()


@pytest.fixture
def asking_engine(
    pulling_engine: Engine, real_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """One with a way to a registry, and none of its images, before and after a test."""
    del real_registry
    monkeypatch.setenv("DOCKER_HOST", pulling_engine.env["DOCKER_HOST"])
    monkeypatch.setenv("DOCKER_CONFIG", pulling_engine.env["DOCKER_CONFIG"])
    yield pulling_engine
    left = docker_images.what_is_left(pulling_engine)
    docker_images.clear(pulling_engine)
    for image in registry_steps.pulled(pulling_engine):
        pulling_engine.docker("rmi", "--force", image)
    (pulling_engine.folder / "config.json").unlink(missing_ok=True)
    assert left == []


@asynccontextmanager
async def new_bench(
    folder: Path, context: ExecutorContext, **settings: Any
) -> AsyncIterator[Bench]:
    project = folder / "project"
    project.mkdir()
    (kind,) = tidemill_docker.tidemill_executors()
    executor = kind.factory(context)
    made = tidemill_docker.DockerSettings(image=docker_images.DEBIAN, pull="never", **settings)
    yield Bench(executor, project, made, find)
    await executor.close()


async def find(mark: str) -> list[str]:
    return marked_processes(mark)


@pytest.fixture
async def bench(engine: Engine, tmp_path: Path) -> AsyncIterator[Bench]:
    del engine
    async with new_bench(tmp_path, ExecutorContext(tmp_path / "scratch")) as bench:
        yield bench
