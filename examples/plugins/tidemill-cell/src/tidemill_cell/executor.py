"""The executor: `tidemill.spi.Executor`, and nothing of how a step runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from tidemill.spi import (
    ExecutorContext,
    Handle,
    Outcome,
    SavedFile,
    SpiError,
    StartError,
    StepIO,
    Work,
)
from tidemill.spi.files import put_back
from tidemill_cell.step import Step

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
"""What a step gets of the worker's environment; all else of it stays with the worker."""


class CellExecutor:
    self_fencing = True
    recovers = False

    def __init__(self, context: ExecutorContext) -> None:
        self._context = context
        self._steps: dict[str, Step] = {}
        self._until: float | None = None
        self._closed = False
        self._env = {name: os.environ[name] for name in INHERITED if name in os.environ}

    async def prepare(self, work: Work) -> None:
        """There is nothing to be fetched ahead of time."""

    def discard(self, work: Work) -> None:
        """So nothing is held."""

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError("the executor cell is closed")
        if work.id in self._steps:
            raise SpiError(f"work {work.id} has been started before")
        step = self._steps[work.id] = Step(work, io, self._context.scratch / work.id, self._env)
        try:
            await step.start(self._until)
        except StartError:
            del self._steps[work.id]  # it may be started again
            raise
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        return await asyncio.shield(self._find(handle).over)

    async def stop(self, handle: Handle, grace: float) -> None:
        self._find(handle).stop(grace)

    def extend(self, seconds: float, since: float) -> None:
        if not self._context.leased:
            return
        self._until = since + seconds
        for step in self._steps.values():
            step.extend(self._until)

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        await asyncio.to_thread(put_back, work.project / work.workdir, files)

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        """No step outlives the worker that started it: there is nothing to take up."""
        del work, io
        step = self._steps.get(token)
        return None if step is None or step.over.done() else Handle(token)

    async def close(self) -> None:
        self._closed = True
        for step in self._steps.values():
            step.stop(0)
        await asyncio.gather(*(step.ended() for step in self._steps.values()))

    def _find(self, handle: Handle) -> Step:
        try:
            return self._steps[handle.token]
        except KeyError:
            raise SpiError(f"no step was started as {handle.token!r}") from None
