"""Steps whose image lies in the registry of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from docker_engine import Engine
from registry import IMAGE, PASSWORD, USER

import tidemill_docker
from tidemill.spi import Executor, ExecutorContext, Reason, ScriptAction, StartError, Work
from tidemill.testing.executor.bench import RecordingIO
from tidemill_docker import DockerSettings

LOGIN = {"username": USER, "password": PASSWORD}


def pulled(engine: Engine) -> list[str]:
    listed = engine.docker("images", "--digests", "--format", "{{.Repository}} {{.ID}}")
    return [line.split()[1] for line in listed.splitlines() if "/team/" in line]


def work(folder: Path, image: str = IMAGE, script: str = "exit 3", **settings: object) -> Work:
    given = {"image": image, "registry": LOGIN, "workspace": "none", **settings}
    made = DockerSettings.model_validate(given)
    return Work("1", 1, "step", 1, 1, ScriptAction(script), folder, made)


@asynccontextmanager
async def executor_in(folder: Path) -> AsyncIterator[Executor]:
    (kind,) = tidemill_docker.tidemill_executors()
    executor = kind.factory(ExecutorContext(folder / "scratch"))
    yield executor
    await executor.close()


async def code_of(executor: Executor, given: Work) -> int | None:
    outcome = await executor.wait(await executor.start(given, RecordingIO()))
    assert outcome.reason is Reason.EXITED, outcome
    return outcome.code


async def refusal(folder: Path, given: Work) -> str:
    async with executor_in(folder) as executor:
        with pytest.raises(StartError) as caught:
            await executor.start(given, RecordingIO())
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert PASSWORD not in said
    return said


async def until(holds: Callable[[], bool]) -> None:
    """As soon as it does."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 -- what it looks at is outside of the loop
            await asyncio.sleep(0.02)
