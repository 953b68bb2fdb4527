"""The suite as a whole: what an author supplies, and the themes put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from tidemill.spi import ExecutorContext
from tidemill.testing.executor.bench import Bench, Subject
from tidemill.testing.executor.ends import Ends
from tidemill.testing.executor.environment import Environment
from tidemill.testing.executor.fencing import Fencing
from tidemill.testing.executor.files import Files
from tidemill.testing.executor.lifecycle import Lifecycle
from tidemill.testing.executor.load import Load
from tidemill.testing.executor.output import Output
from tidemill.testing.executor.preparing import Preparing
from tidemill.testing.executor.recovery import Recovery
from tidemill.testing.executor.stopping import Stopping


class ExecutorConformance(
    Ends,
    Environment,
    Fencing,
    Files,
    Lifecycle,
    Load,
    Output,
    Preparing,
    Recovery,
    Stopping,
    Subject,
):
    """Subclass it as `Test…`, and supply `executor_type` and, where defaults do not do,
    `settings` and `survivors`."""

    @pytest_asyncio.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        """A fresh executor, a project folder, and what it takes to run steps."""
        async with self._bench(ExecutorContext(tmp_path / "scratch"), tmp_path) as bench:
            yield bench

    @pytest_asyncio.fixture
    async def leased(self, tmp_path: Path) -> AsyncIterator[Bench]:
        """The same, of a worker that holds its steps on leases."""
        context = ExecutorContext(tmp_path / "scratch", leased=True)
        async with self._bench(context, tmp_path) as bench:
            yield bench

    @asynccontextmanager
    async def _bench(self, context: ExecutorContext, folder: Path) -> AsyncIterator[Bench]:
        project = folder / "project"
        project.mkdir()
        executor = self.executor_type().factory(context)
        try:
            yield Bench(executor, project, self.settings(), self.survivors)
        finally:
            await executor.close()
