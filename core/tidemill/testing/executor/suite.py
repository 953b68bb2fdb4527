"""The suite as a whole: what an author supplies, and the themes put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tidemill.spi import ExecutorContext
from tidemill.testing.executor.bench import Bench, Subject
from tidemill.testing.executor.ends import Ends
from tidemill.testing.executor.environment import Environment
from tidemill.testing.executor.files import Files
from tidemill.testing.executor.lifecycle import Lifecycle
from tidemill.testing.executor.load import Load
from tidemill.testing.executor.output import Output
from tidemill.testing.executor.stopping import Stopping


class ExecutorConformance(Ends, Environment, Files, Lifecycle, Load, Output, Stopping, Subject):
    """Subclass it as `Test…`, and supply `executor_type` and, where defaults do not do,
    `settings` and `survivors`."""

    @pytest_asyncio.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        """A fresh executor, a project folder, and what it takes to run steps."""
        project = tmp_path / "project"
        project.mkdir()
        executor = self.executor_type().factory(ExecutorContext(tmp_path / "scratch"))
        bench = Bench(executor, project, self.settings(), self.survivors)
        try:
            yield bench
        finally:
            await executor.close()
