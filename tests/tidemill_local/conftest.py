"""A bench with a local executor, for what the conformance suite does not ask."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import tidemill_local
from tidemill.spi import ExecutorContext
from tidemill.testing.executor.bench import Bench, marked_processes


async def find(mark: str) -> list[str]:
    return marked_processes(mark)


@asynccontextmanager
async def new_bench(folder: Path, context: ExecutorContext) -> AsyncIterator[Bench]:
    project = folder / "project"
    project.mkdir()
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(context)
    yield Bench(executor, project, kind.settings(), find)
    await executor.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with new_bench(tmp_path, ExecutorContext(tmp_path / "scratch")) as bench:
        yield bench


@pytest.fixture
async def leased(tmp_path: Path) -> AsyncIterator[Bench]:
    context = ExecutorContext(tmp_path / "scratch", leased=True)
    async with new_bench(tmp_path, context) as bench:
        yield bench


@pytest.fixture
def mark() -> str:
    return f"mark-{secrets.token_hex(8)}"
