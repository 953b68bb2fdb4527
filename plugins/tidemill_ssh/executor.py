"""The ssh executor: `tidemill.spi.Executor` for the steps of one worker. How one of them runs is
in `running`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from tidemill.spi import (
    ExecutorContext,
    Handle,
    Outcome,
    SavedFile,
    SpiError,
    StartError,
    StepIO,
    Work,
    boot_time,
    lost,
)
from tidemill_ssh import files, order
from tidemill_ssh.hosts import Hosts
from tidemill_ssh.running import LOST_TIME, Runner
from tidemill_ssh.settings import SshSettings
from tidemill_ssh.step import Step

PATIENCE = 5.0
"""Seconds for far ends to end their steps, when the executor is closed."""


class SshExecutor:
    """Runs steps on other hosts."""

    self_fencing = True
    recovers = False

    def __init__(self, context: ExecutorContext) -> None:
        self._leased = context.leased
        self._hosts = Hosts()
        self._runner = Runner(context.scratch, self._hosts, self._time, self._task)
        self._steps: dict[str, Step] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._until: float | None = None
        self._closed = False

    async def prepare(self, work: Work) -> None:
        """Logs in, so that the first step need not wait for it."""
        connection = await self._hosts.connect(_settings_of(work))
        connection.give_back()

    def discard(self, work: Work) -> None:
        """The connection serves any step."""

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError("the ssh executor is closed")
        if work.id in self._steps:
            raise SpiError(f"work {work.id} has been started before")
        step = Step(work, io, _settings_of(work))
        if self._time_is_over():
            step.is_over(lost(LOST_TIME))
            self._steps[work.id] = step
            return Handle(work.id)
        self._steps[work.id] = step
        beginning = self._task(self._runner.begin(step))
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            step.abandoned = True  # the task goes on, and sees to its end
            if step.session is not None:
                step.session.hang_up()
            raise
        except BaseException:
            del self._steps[work.id]
            raise
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        return await asyncio.shield(self._find(handle).over)

    async def stop(self, handle: Handle, grace: float) -> None:
        self._find(handle).stop(grace)

    def extend(self, seconds: float, since: float) -> None:
        """What has been over is given up here, too, before the time is set anew."""
        if not self._leased:
            return
        running = [step for step in self._steps.values() if not step.over.done()]
        if self._time_is_over():
            for step in running:
                step.give_up()
        self._until = since + seconds
        for step in running:
            step.until(self._until)

    async def restore(self, work: Work, saved: Sequence[SavedFile]) -> None:
        """A private workdir is gone when its step has ended: nothing is put there."""
        settings = _settings_of(work)
        if settings.workdir is not None and saved:
            place = order.Place("", settings.workdir)
            async with self._hosts.files(settings) as client:
                await files.put_back(client, place.where(work), saved)

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        """A step never outlives the connection of the worker that started it."""
        del work, io
        step = self._steps.get(token)
        return None if step is None or step.over.done() else Handle(token)

    async def close(self) -> None:
        self._closed = True
        for step in self._steps.values():
            if not step.over.done():
                step.kill()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)
        await self._hosts.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)

    def _find(self, handle: Handle) -> Step:
        try:
            return self._steps[handle.token]
        except KeyError:
            raise SpiError(f"no step was started as {handle.token!r}") from None

    def _time(self) -> float | None:
        return self._until

    def _time_is_over(self) -> bool:
        return self._until is not None and boot_time() >= self._until

    def _task(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of a start that was given up nobody asks


def _settings_of(work: Work) -> SshSettings:
    if not isinstance(work.settings, SshSettings):
        raise SpiError("the ssh executor needs settings of its own model, with a host at least")
    return work.settings
