"""The Docker executor: `tidemill.spi.Executor` on top of an engine."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
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
)
from tidemill.spi.files import put_back
from tidemill_docker import owner
from tidemill_docker.ahead import Ahead, Held
from tidemill_docker.connection import Connection
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused
from tidemill_docker.fence import Fence
from tidemill_docker.files import StepFolder, workdir_in
from tidemill_docker.life import Life
from tidemill_docker.opening import Opening
from tidemill_docker.reaping import containers, remove_all
from tidemill_docker.replay import Replay
from tidemill_docker.settings import DockerSettings
from tidemill_docker.step import Step
from tidemill_docker.stopping import kill, terminate

_PATIENCE = 30.0
_CLOSED = "the Docker executor is closed"


class DockerExecutor:
    """Runs steps as containers of the engine on this machine."""

    self_fencing = True
    recovers = True

    def __init__(self, context: ExecutorContext) -> None:
        self._id = secrets.token_hex(8)
        self._folder = context.scratch / f"docker-{self._id}"
        self._fence = Fence(recoverable=context.recoverable) if context.leased else None
        self._connection = Connection(self._id, self._folder, self._fence, self._steps_taken)
        self._steps: dict[str, Step] = {}
        self._work: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ahead = Ahead(self._spawn)
        self._closed = False

    async def prepare(self, work: Work) -> None:
        """Makes the container, and starts it: its shell waits for the step's program."""
        if self._closed:
            raise StartError(_CLOSED)
        settings = _settings_of(work)
        step = self._new_step(work, None, secrets.token_hex(4))
        await self._ahead.make(Held(work, step, lambda: self._parts(step, work, settings)))

    def discard(self, work: Work) -> None:
        self._ahead.drop(work.id)

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError(_CLOSED)
        if work.id in self._work:
            raise SpiError(f"work {work.id} has been started before")
        settings = _settings_of(work)
        self._work.add(work.id)
        held = await self._take(work)
        if held is not None:
            step, step.io = held.step, io
            running = held.run()
        else:
            step = self._new_step(work, io)
            running = self._run(step, work, settings)
        self._steps[step.token] = step
        self._spawn(running)
        try:
            await asyncio.shield(step.begun)
        except asyncio.CancelledError:
            self._drop(step)
            raise
        except StartError:
            self._work.discard(work.id)
            del self._steps[step.token]
            raise
        return Handle(step.token)

    async def wait(self, handle: Handle) -> Outcome:
        return await asyncio.shield(self._find(handle).over)

    async def stop(self, handle: Handle, grace: float) -> None:
        step = self._find(handle)
        if step.over.done():
            return
        if grace <= 0:
            self._kill(step)
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        if step.killer is None:
            self._spawn(self._end(terminate, step))
        elif step.killer.when() <= end:
            return
        else:
            step.killer.cancel()
        step.killer = loop.call_at(end, self._kill, step)

    def extend(self, seconds: float, since: float) -> None:
        if self._fence is None or self._closed:
            return
        if self._fence.is_over:
            for step in self._steps.values():
                if not step.over.done():
                    step.given_up = True
                    self._kill(step)
            self._ahead.drop_all()  # the helper may be killing them just now
        self._fence.set(since + seconds)

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        """Only a folder that the step could write to outlives it."""
        workdir = await asyncio.to_thread(workdir_in, work.project, work.workdir)
        if _settings_of(work).workspace == "rw" and workdir is not None:
            await asyncio.to_thread(put_back, workdir, files)

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        """Its container went on without its worker, and the engine has kept its output."""
        known = self._steps.get(token)
        if known is not None:
            return None if known.over.done() else Handle(token)
        if self._closed or self._fence is None or not self._fence.recoverable:
            return None
        engine = await self._connection.reach()
        try:
            found = await containers(engine, f"{owner.TOKEN}={token}")
            for item in found:
                if owner.SERVICE not in item["Labels"]:
                    return await self._take_up(engine, token, item, work, io)
            await remove_all(engine, f"{owner.TOKEN}={token}")
        except Missing:
            return None
        except (EngineGone, Refused) as error:
            raise StartError(f"the Docker engine does not tell of the step: {error}") from error
        return None

    async def close(self) -> None:
        self._closed = True
        for step in self._steps.values():
            self._drop(step)
        self._ahead.drop_all()
        self._connection.give_up_pulls()
        while waiting := {task for task in self._tasks if not task.done()}:
            _, late = await asyncio.wait(waiting, timeout=_PATIENCE)
            for task in late:
                task.cancel()
        await self._connection.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _find(self, handle: Handle) -> Step:
        try:
            return self._steps[handle.token]
        except KeyError:
            raise SpiError(f"no step was started as {handle.token!r}") from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _new_step(self, work: Work, io: StepIO | None, suffix: str = "") -> Step:
        """What is got ready has a `suffix`: what is to be removed of it is known apart from what
        is started in its place."""
        token = "-".join(filter(None, (self._id, work.id, suffix)))
        return Step(token, StepFolder(self._folder / secrets.token_hex(8)), work, io)

    async def _parts(
        self, step: Step, work: Work, settings: DockerSettings
    ) -> tuple[Life, Opening]:
        """Raises: StartError: there is no engine."""
        engine = await self._connection.open()
        life = Life(engine, step, self._fence, self._connection.left.add)
        return life, Opening(engine, step, self._fence, work, settings, self._id)

    # -- a step's life

    async def _take(self, work: Work) -> Held | None:
        """What was got ready for it."""
        try:
            return await self._ahead.take(work)
        except BaseException:
            self._work.discard(work.id)
            raise

    async def _run(self, step: Step, work: Work, settings: DockerSettings) -> None:
        try:
            life, opening = await self._parts(step, work, settings)
        except StartError as error:
            step.begun.set_exception(error)
            step.begun.exception()
            return
        await life.run(opening)

    async def _take_up(
        self, engine: Engine, token: str, item: dict[str, Any], work: Work | None, io: StepIO | None
    ) -> Handle:
        labels = item["Labels"]
        if not owner.is_dead_ones(labels):
            raise StartError("the worker that started the step still lives")
        step = Step(token, StepFolder(Path(labels[owner.FOLDER])), work, io)
        self._connection.take_over(engine, labels[owner.EXECUTOR], step.folder.path.parent)
        step.container = item["Id"]
        step.has_services = True
        step.streams = await Replay.of(engine, step.container)
        step.begun.set_result(None)
        self._steps[token] = step
        if work is not None:
            self._work.add(work.id)
        self._spawn(Life(engine, step, self._fence, self._connection.left.add).follow())
        return Handle(token)

    def _drop(self, step: Step) -> None:
        step.unwanted = True
        if not step.over.done():
            self._kill(step)

    def _kill(self, step: Step) -> None:
        self._spawn(self._end(kill, step))

    async def _end(
        self, how: Callable[[Engine, Step], Coroutine[Any, Any, None]], step: Step
    ) -> None:
        if self._connection.engine is not None:
            await how(self._connection.engine, step)

    def _steps_taken(self) -> set[str]:
        return set(self._steps)


def _settings_of(work: Work) -> DockerSettings:
    if isinstance(work.settings, DockerSettings):
        return work.settings
    raise SpiError(f"settings of the Docker executor are not {type(work.settings).__name__}")
