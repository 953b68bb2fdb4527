"""The life of one container, from its making to its removal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.spi import Outcome, Reason, SpiError, StartError, Work, lost
from tidemill.spi.files import collect
from tidemill_docker import files, owner, program, reaping
from tidemill_docker.attach import Streams
from tidemill_docker.ending import outcome_of
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused, not_reachable
from tidemill_docker.fence import Fence
from tidemill_docker.opening import Opening, TimeIsOverError
from tidemill_docker.step import Step

_PATIENCE = 10.0
"""Seconds that an engine may be away (it is restarted, say) before a step is lost."""
_PAUSE = 0.2
_ENDING = 5.0
"""Seconds after the end of its output in which a container has ended."""
_TOO_LATE = "killed: its worker had lost contact with the schedulers"
_KILLED = frozenset({137, 143, 255})
_FAILURES = (StartError, SpiError, TimeIsOverError, Missing, Refused, EngineGone)


class Life:
    """`left` is told of a step of which something may be left in the engine."""

    def __init__(
        self, engine: Engine, step: Step, fence: Fence | None, left: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._step = step
        self._fence = fence
        self._left = left

    async def get_ready(self, opening: Opening) -> None:
        """Ahead of the start, without a word of the step.

        Raises:
            StartError, SpiError: it cannot be got ready; nothing is left of it.
        """
        try:
            await opening.get_ready()
        except _FAILURES as error:
            await self.clear()
            raise self._told(error) from error

    async def run(self, opening: Opening) -> None:
        step = self._step
        try:
            await opening.run()
        except TimeIsOverError:
            await self.clear()
            step.is_over(lost(_TOO_LATE))
        except _FAILURES as error:
            told = self._told(error)
            await self.clear()
            if not step.begun.done():
                step.begun.set_exception(told)
                step.begun.exception()  # nobody may wait for it
        else:
            if not step.begun.done():
                step.begun.set_result(None)
            await self.follow()

    def _told(self, error: Exception) -> Exception:
        """In words for the person who must act."""
        if isinstance(error, TimeIsOverError):
            return StartError(_TOO_LATE)
        if isinstance(error, Missing):
            return StartError(f"the step's container was removed: {error}")
        if isinstance(error, Refused):
            return StartError(f"the Docker engine cannot start the step: {error}")
        if isinstance(error, EngineGone):
            self._left(self._step.token)  # it may have made what it did not tell of
            return StartError(not_reachable(self._engine.url, str(error)))
        return error

    # -- the run

    async def follow(self) -> None:
        """To the end: the step is over when nothing is left of it."""
        step = self._step
        try:
            outcome = await self._outcome()
            if outcome.reason is not Reason.LOST:  # else it is tried below, and its reason kept
                await self._remove()
            if outcome.ok:
                await self._save()
        except (EngineGone, Missing, Refused) as error:
            outcome = lost(f"the Docker engine lost the step: {error}")
        except OSError as error:
            await self.clear()
            step.fails(error)
            return
        except asyncio.CancelledError:
            step.is_over(lost("the Docker engine did not answer in time when it was to be ended"))
            raise
        await self.clear()
        step.is_over(outcome)

    async def _outcome(self) -> Outcome:
        step = self._step
        while True:
            if step.streams is None:
                await self._reattach()
            assert step.streams is not None  # noqa: S101 -- for mypy
            async for piece in step.streams.pieces():
                step.write(piece)
            said = step.streams.said
            step.streams.close()
            step.streams = None
            shown, broken = await self._at_end()
            if shown is None or not shown["State"]["Running"]:
                return self._judge(shown, said, broken=broken)

    def _judge(self, shown: dict[str, Any] | None, said: bytes, *, broken: bool) -> Outcome:
        step = self._step
        if step.given_up or (self._fence is not None and self._fence.is_over):
            return lost(_TOO_LATE)
        if shown is None:
            gone = (
                "does not answer any more" if broken else "has no container of this step any more"
            )
            return lost(f"the Docker engine {gone}: nobody knows how the step ended")
        if broken and int(shown["State"]["ExitCode"]) in _KILLED:
            return lost("the Docker engine was restarted in the middle of the step")
        return outcome_of(shown, said, step.folder.read(program.OUTPUT))

    async def _at_end(self) -> tuple[dict[str, Any] | None, bool]:
        """The container after its output has ended, None if nobody knows it; and whether
        the engine was away."""
        broken = False
        until = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(Missing, Refused, EngineGone):  # its state tells
                await self._engine.call("wait", self._step.container, timeout=_ENDING)
            try:
                return await self._engine.shown(self._step.container), broken
            except EngineGone:
                broken = True
            if time.monotonic() > until:
                return None, broken
            await asyncio.sleep(_PAUSE)

    async def _reattach(self) -> None:
        params = {"stdout": 1, "stderr": 1, "stream": 1}
        answer = await self._engine.call("attach_socket", self._step.container, params)
        self._step.streams = Streams(answer)

    async def _save(self) -> None:
        step = self._step
        if step.work is None or step.io is None or not step.work.outputs:
            return
        workdir = self._workdir(step.work)
        if workdir is None:
            return
        for output in step.work.outputs:
            for name, path in await asyncio.to_thread(collect, workdir, output):
                await step.io.save_file(output.name, name, path)

    def _workdir(self, work: Work) -> Path | None:
        """What the container calls so, on this machine."""
        folder = self._step.folder
        inputs = folder.path / program.INPUTS
        named = work.located(str(inputs)).workdir
        if Path(named).is_absolute():
            return files.workdir_in(inputs, named)
        root = folder.workspace if folder.workspace.is_dir() else work.project
        return files.workdir_in(root, named)

    # -- the end

    async def _remove(self) -> None:
        """Raises: EngineGone, Refused: something may be left."""
        step = self._step
        if step.container:
            await reaping.remove_container(self._engine, step.container)
            step.container = ""
        if step.has_services:
            await reaping.remove_all(self._engine, f"{owner.TOKEN}={step.token}")
            step.has_services = False

    async def clear(self) -> None:
        """Removes all that is there of it."""
        try:
            await self._remove()
        except (EngineGone, Refused):
            self._left(self._step.token)
        if self._step.streams is not None:
            self._step.streams.close()
            self._step.streams = None
        await asyncio.to_thread(self._step.folder.remove)
