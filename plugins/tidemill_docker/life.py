"""The life of one container, from its making to its removal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from tidemill.spi import Outcome, Reason, SpiError, StartError, Work, lost
from tidemill.spi.files import collect
from tidemill_docker import container, files, owner, program
from tidemill_docker.attach import Streams
from tidemill_docker.ending import outcome_of
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused, not_reachable
from tidemill_docker.fence import Fence
from tidemill_docker.settings import DockerSettings
from tidemill_docker.step import Step

_PATIENCE = 10.0
"""Seconds that an engine may be away (it is restarted, say) before a step is lost."""
_PAUSE = 0.2
_ENDING = 5.0
"""Seconds after the end of its output in which a container has ended."""
_TOO_LATE = "killed: its worker had lost contact with the schedulers"
_KILLED = frozenset({137, 143, 255})


class _TimeIsOver(Exception):
    """Before the step began."""


class Life:
    def __init__(self, engine: Engine, step: Step, fence: Fence | None) -> None:
        self._engine = engine
        self._step = step
        self._fence = fence

    async def run(self, work: Work, settings: DockerSettings, executor: str) -> None:
        step = self._step
        try:
            await self._open(work, settings, executor)
        except (StartError, SpiError) as error:
            await self._end_start(error)
        except _TimeIsOver:
            await self._clear()
            step.is_over(lost(_TOO_LATE))
        except Missing as error:
            await self._end_start(StartError(f"the step's container was removed: {error}"))
        except Refused as error:
            await self._end_start(StartError(f"the Docker engine cannot start the step: {error}"))
        except EngineGone as error:
            text = not_reachable(self._engine.url, str(error))
            await self._end_start(StartError(text))
        else:
            if not step.begun.done():
                step.begun.set_result(None)
            await self.follow()

    async def _end_start(self, error: Exception) -> None:
        await self._clear()
        if not self._step.begun.done():
            self._step.begun.set_exception(error)
            self._step.begun.exception()  # nobody may wait for it

    # -- the start

    async def _open(self, work: Work, settings: DockerSettings, executor: str) -> None:
        step = self._step
        work = work.located(f"{program.HOME}/{program.INPUTS}")
        argv, env = program.argv_of(work), container.variables(work)
        program.program(work, argv, env, 0.0)  # said before anything is made
        user = container.user_of(settings)
        private = settings.workspace == "none"
        await asyncio.to_thread(step.folder.make, work, user, private=private)
        leased = self._fence is not None
        labels = owner.labels(work, executor, step.token, step.folder.path, leased=leased)
        made = container.configuration(settings, work, step.folder.path, labels)
        self._check()
        step.container = await self._create(settings, made)
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        step.streams = Streams(await self._engine.call("attach_socket", step.container, params))
        self._check()
        await self._engine.call("start", step.container)
        self._check()
        end = self._fence.end if self._fence is not None else float("inf")
        await step.streams.send(program.program(work, argv, env, end))
        known, said = await step.streams.first_words()
        if not known or said != "ok":
            raise await self._not_begun(known, said, work, argv[0], settings)

    def _check(self) -> None:
        if self._step.given_up or (self._fence is not None and self._fence.is_over):
            raise _TimeIsOver
        if self._step.unwanted:
            raise StartError("the start was given up")

    async def _create(self, settings: DockerSettings, made: dict[str, Any]) -> str:
        if settings.pull == "always":
            await self._engine.pull(settings)
        try:
            return str((await self._engine.call("create_container", **made))["Id"])
        except Missing as error:
            if settings.pull == "never":
                raise StartError(
                    f'the engine has no image {settings.image}, and `pull` is "never": '
                    f'run docker pull {settings.image}, or set pull = "missing"'
                ) from error
        await self._engine.pull(settings)
        return str((await self._engine.call("create_container", **made))["Id"])

    async def _not_begun(
        self, known: bool, said: str, work: Work, name: str, settings: DockerSettings
    ) -> Exception:
        word, _, rest = said.partition(" ")
        if self._step.given_up or (known and word == "expired"):
            return _TimeIsOver()
        if known and word == "closed":
            user = container.user_of(settings)
            return StartError(
                f"the user {user} may not enter the workdir {work.workdir}: set `user` to one who "
                "may, or open the folder to them"
            )
        if known and word == "workdir":
            return StartError(
                f"cannot use the workdir {work.workdir}: no such folder in the container"
            )
        if known:
            return StartError(
                f"{name} was not found in the image {settings.image} (PATH={rest}): "
                "name one that is there"
            )
        shown = await self._shown()
        reason = said.strip().replace("\n", "; ")[:300]
        if "exec sh failed" in said:
            reason = "it has no sh, which every step is started by"
        elif shown and shown["State"].get("OOMKilled"):
            reason = "out of memory: raise the setting `memory`"
        return StartError(
            f"cannot start the step in the image {settings.image}: {reason or 'it ended at once'}"
        )

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
            await self._clear()
            step.fails(error)
            return
        except asyncio.CancelledError:
            step.is_over(lost("the Docker engine did not answer in time when it was to be ended"))
            raise
        await self._clear()
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
                return await self._shown(), broken
            except EngineGone:
                broken = True
            if time.monotonic() > until:
                return None, broken
            await asyncio.sleep(_PAUSE)

    async def _shown(self) -> dict[str, Any] | None:
        """What the engine shows of the container; None where it has none."""
        try:
            return dict(await self._engine.call("inspect_container", self._step.container))
        except Missing:
            return None

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
        """Raises: EngineGone: it is not removed; the next executor on this machine will."""
        if self._step.container:
            with contextlib.suppress(Missing):
                await self._engine.call(
                    "remove_container", self._step.container, v=True, force=True
                )
            self._step.container = ""

    async def _clear(self) -> None:
        with contextlib.suppress(EngineGone, Refused):
            await self._remove()
        if self._step.streams is not None:
            self._step.streams.close()
            self._step.streams = None
        await asyncio.to_thread(self._step.folder.remove)
