"""The Docker executor: `tidemill.spi.Executor` on top of an engine."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Coroutine, Sequence
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
from tidemill_docker import container, owner, program
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused
from tidemill_docker.fence import Fence
from tidemill_docker.files import StepFolder, workdir_in
from tidemill_docker.life import Life
from tidemill_docker.settings import DockerSettings
from tidemill_docker.step import Step

_PATIENCE = 30.0


class DockerExecutor:
    """Runs steps as containers of the engine on this machine."""

    self_fencing = True

    def __init__(self, context: ExecutorContext) -> None:
        self._id = secrets.token_hex(8)
        self._folder = context.scratch / f"docker-{self._id}"
        self._fence = Fence() if context.leased else None
        self._engine: Engine | None = None
        self._steps: dict[str, Step] = {}
        self._work: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: asyncio.Task[None] | None = None
        self._closed = False

    async def prepare(self, work: Work) -> None:
        """Connects to the engine, and pulls the image if it is to be."""
        settings = _settings_of(work)
        engine = await self._connected()
        if settings.pull == "always" or (
            settings.pull == "missing" and not await engine.has_image(settings.image)
        ):
            await engine.pull(settings)

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError("the Docker executor is closed")
        if work.id in self._work:
            raise SpiError(f"work {work.id} has been started before")
        settings = _settings_of(work)
        token = f"{self._id}-{work.id}"
        step = Step(token, StepFolder(self._folder / secrets.token_hex(8)), work, io)
        self._work.add(work.id)
        self._steps[token] = step
        self._spawn(self._run(step, work, settings))
        try:
            await asyncio.shield(step.begun)
        except asyncio.CancelledError:
            self._drop(step)
            raise
        except StartError:
            self._work.discard(work.id)
            del self._steps[token]
            raise
        return Handle(token)

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
            self._spawn(self._terminate(step))
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
        self._fence.set(since + seconds)

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        """Only a folder that the step could write to outlives it."""
        workdir = await asyncio.to_thread(workdir_in, work.project, work.workdir)
        if _settings_of(work).workspace == "rw" and workdir is not None:
            await asyncio.to_thread(put_back, workdir, files)

    async def recover(self, token: str) -> Handle | None:
        """Takes up a step of an executor that was killed. What it wrote meanwhile is gone,
        and what it writes from now on goes nowhere. To be called before the first start,
        which removes what is left of killed executors."""
        known = self._steps.get(token)
        if known is not None:
            return None if known.over.done() else Handle(token)
        if self._closed or self._fence is not None:
            return None
        try:
            engine = await self._engine_of()
            found = await self._containers(engine, f"{owner.TOKEN}={token}")
        except (StartError, EngineGone, Refused):
            return None
        for item in found:
            labels = item["Labels"]
            if owner.is_dead_ones(labels) and labels.get(owner.RECOVERABLE) == "yes":
                return self._take_up(engine, token, item)
        return None

    async def close(self) -> None:
        self._closed = True
        for step in self._steps.values():
            self._drop(step)
        while waiting := {task for task in self._tasks if not task.done()}:
            _, late = await asyncio.wait(waiting, timeout=_PATIENCE)
            for task in late:
                task.cancel()
        if self._fence is not None:
            self._fence.close()
        if self._engine is not None:
            await self._engine.close()
            self._engine = None
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _find(self, handle: Handle) -> Step:
        try:
            return self._steps[handle.token]
        except KeyError:
            raise SpiError(f"no step was started as {handle.token!r}") from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the engine

    async def _engine_of(self) -> Engine:
        if self._engine is None:
            self._engine = Engine()
        await self._engine.connect()
        return self._engine

    async def _connected(self) -> Engine:
        """With what killed executors left removed, and with the helper at work.

        Raises:
            StartError: there is no engine.
        """
        engine = await self._engine_of()
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            await asyncio.to_thread(_make_private, self._folder)
            self._ready = asyncio.ensure_future(self._reap(engine))
        await asyncio.shield(self._ready)
        if self._fence is not None:
            label = f"{owner.EXECUTOR}={self._id}"
            self._fence.watch(engine.url, label, self._folder)
        return engine

    async def _containers(self, engine: Engine, label: str) -> list[dict[str, Any]]:
        return list(await engine.call("containers", all=True, filters={"label": label}))

    async def _reap(self, engine: Engine) -> None:
        taken = {step.container for step in self._steps.values()}
        try:
            for item in await self._containers(engine, owner.OWNER):
                if owner.is_dead_ones(item["Labels"]) and item["Id"] not in taken:
                    with contextlib.suppress(Missing, Refused):  # another one is at it
                        await engine.call("remove_container", item["Id"], v=True, force=True)
                    folder = Path(item["Labels"].get(owner.FOLDER, ""))
                    if folder.parent.name.startswith("docker-"):
                        await asyncio.to_thread(shutil.rmtree, folder.parent, ignore_errors=True)
        except (EngineGone, Refused) as error:
            raise StartError(f"the Docker engine does not answer: {error}") from error

    # -- a step's life

    async def _run(self, step: Step, work: Work, settings: DockerSettings) -> None:
        try:
            engine = await self._connected()
        except StartError as error:
            step.begun.set_exception(error)
            step.begun.exception()
            return
        await Life(engine, step, self._fence).run(work, settings, self._id)

    def _take_up(self, engine: Engine, token: str, item: dict[str, Any]) -> Handle:
        step = Step(token, StepFolder(Path(item["Labels"][owner.FOLDER])), None, None)
        step.container = item["Id"]
        step.begun.set_result(None)
        self._steps[token] = step
        self._spawn(Life(engine, step, None).follow())
        return Handle(token)

    def _drop(self, step: Step) -> None:
        step.unwanted = True
        if not step.over.done():
            self._kill(step)

    def _kill(self, step: Step) -> None:
        if step.container:
            self._spawn(self._signal(step))

    async def _signal(self, step: Step) -> None:
        if self._engine is not None:
            with contextlib.suppress(Missing, Refused, EngineGone):  # its life notices
                await self._engine.call("kill", step.container, "SIGKILL")

    async def _terminate(self, step: Step) -> None:
        """By a process inside: the engine's own signals reach one process alone. Where no
        further process can be started in there, the end of the grace is what is left."""
        engine = self._engine
        if engine is None:
            return
        with contextlib.suppress(Missing, Refused, EngineGone):
            command = [container.SHELL, "-c", program.TERMINATE]
            made = await engine.call("exec_create", step.container, command)
            await engine.call("exec_start", made["Id"], detach=True)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"cannot make {folder}: {error.strerror}") from error


def _settings_of(work: Work) -> DockerSettings:
    if isinstance(work.settings, DockerSettings):
        return work.settings
    raise SpiError(f"settings of the Docker executor are not {type(work.settings).__name__}")
