"""A bench with a local executor, for what the conformance suite does not ask."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tidemill_local
from tidemill.spi import ExecutorContext
from tidemill.testing.executor.bench import Bench, marked_processes


async def find(mark: str) -> list[str]:
    return marked_processes(mark)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    project = tmp_path / "project"
    project.mkdir()
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(tmp_path / "scratch"))
    yield Bench(executor, project, kind.settings(), find)
    await executor.close()


@pytest.fixture
def mark() -> str:
    return f"mark-{secrets.token_hex(8)}"
