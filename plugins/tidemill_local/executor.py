"""The local executor: `tidemill.spi.Executor` on top of keepers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from tidemill.spi import (
    ExecutorContext,
    Handle,
    Outcome,
    SavedFile,
    SpiError,
    StartError,
    StepIO,
    Work,
    failed_to_start,
    lost,
)
from tidemill.spi.files import collect, put_back
from tidemill_local import files, launch, taking_up
from tidemill_local.ahead import Ahead
from tidemill_local.environment import inherited
from tidemill_local.keeper_link import KeeperLink
from tidemill_local.keepers import PATIENCE, Keepers
from tidemill_local.pipe import OutputPipe
from tidemill_local.settings import LocalSettings
from tidemill_local.step import Nowhere, Step, nothing_known, outcome_of
from tidemill_local.warden import protocol
from tidemill_local.warden.protocol import Ended

_TRIES = 3
_DEFAULT = LocalSettings()


class LocalExecutor:
    """Runs steps as process trees on this machine."""

    self_fencing = True
    recovers = True

    def __init__(self, context: ExecutorContext) -> None:
        self._keepers = Keepers(
            context.scratch,
            self._heard,
            self._gone,
            leased=context.leased,
            lasting=context.recoverable,
        )
        self._ahead = Ahead(files.copy_input)
        self._steps: dict[str, Step] = {}
        self._tokens: dict[str, str] = {}
        """The names in `_steps` by the tokens of steps that outlive this process."""
        self._environments: dict[tuple[str, ...], dict[str, str]] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        self._closed = False
        with contextlib.suppress(StartError):  # `start` says it, where there is a step
            self._keepers.warm_up()

    async def prepare(self, work: Work) -> None:
        """Starts the helper process, so that the first step need not wait for it, and copies
        the inputs."""
        self._keepers.warm_up()
        await self._ahead.make(self._keepers.folder, work)

    def discard(self, work: Work) -> None:
        self._ahead.discard(work.id)

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError("the local executor is closed")
        if work.id in self._steps:
            raise SpiError(f"work {work.id} has been started before")
        step = Step(work, io, asyncio.get_running_loop())
        self._steps[work.id] = step
        try:
            await self._begin(step)
        except BaseException:
            if step.keeper is None:
                del self._steps[work.id]
            raise
        return self._handle(step)

    def _handle(self, step: Step) -> Handle:
        if step.token:
            self._tokens[step.token] = step.work.id
        return Handle(step.token or step.work.id)

    async def wait(self, handle: Handle) -> Outcome:
        over = self._find(handle).over
        return over.result() if over.done() else await asyncio.shield(over)

    async def stop(self, handle: Handle, grace: float) -> None:
        self._find(handle).stop(grace)

    def extend(self, seconds: float, since: float) -> None:
        """Keepers that stood still may not have seen that the time was over: what it was
        over for is given up here, too, before it is set anew."""
        if self._keepers.time_is_over():
            for step in self._steps.values():
                if not step.over.done():
                    step.give_up()
        self._keepers.extend(since + seconds)

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        """A private workdir is gone when its step has ended: nothing is put there."""
        if _settings_of(work).workspace == "project":
            await asyncio.to_thread(put_back, work.project / work.workdir, files)

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        """Its keeper has gone on without its worker, and has kept its output."""
        step = self._steps.get(self._tokens.get(token, token))
        if step is not None:
            return None if step.over.done() else Handle(token)
        if not self._keepers.lasting or self._closed:
            return None
        loop = asyncio.get_running_loop()
        keeper = await self._keepers.take_up(token, loop)
        if keeper is None:
            return None
        step = Step(work or nothing_known(token), io or Nowhere(), loop)
        step.token, step.keeper, keeper.step = token, keeper, step
        step.pipe = OutputPipe(step.io.write)
        if work is not None:
            step.layout = self._layout(work, keeper)
        self._steps[step.work.id] = step
        with contextlib.suppress(OSError):  # it has died: `_gone` is called
            keeper.join(step.pipe.writer, self._keepers.switch)
        step.pipe.handed_over()
        step.pipe.follow(loop)
        return self._handle(step)

    async def close(self) -> None:
        self._closed = True
        running = [step for step in self._steps.values() if not step.over.done()]
        for step in running:
            step.stop(0)
        if running:
            await asyncio.wait([step.over for step in running], timeout=PATIENCE)
        await self._ahead.close()
        await self._keepers.close()

    def _find(self, handle: Handle) -> Step:
        try:
            return self._steps[self._tokens.get(handle.token, handle.token)]
        except KeyError:
            raise SpiError(f"no step was started as {handle.token!r}") from None

    # -- the start

    async def _begin(self, step: Step) -> None:
        settings = _settings_of(step.work)
        await self._keepers.settle()
        for _ in range(_TRIES):
            try:
                keeper = self._keepers.take(step.loop)
            except ConnectionError:  # the warden was killed; the next try starts another
                continue
            except OSError as error:
                raise StartError(launch.exhausted(error)) from error
            keeper.step, step.keeper = step, keeper
            try:
                argv, env = await self._hand_over(step, keeper, settings)
            except ConnectionError:  # the keeper was killed while it was idle
                self._drop(step, keeper)
                continue
            except OSError as error:
                self._drop(step, keeper)
                raise StartError(launch.exhausted(error)) from error
            except (StartError, SpiError):
                self._drop(step, keeper)
                raise
            if await self._sees_it_begin(step, keeper, argv, env):
                if step.given_up:
                    step.give_up()
                return
        raise StartError("the local executor's helper processes are being killed: try again")

    async def _hand_over(
        self, step: Step, keeper: KeeperLink, settings: LocalSettings
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        work = step.work.located(keeper.inputs)
        step.layout = layout = self._layout(step.work, keeper, self._ahead.take(work))
        if layout.made:
            await self._lay_out(step, keeper, layout)
        argv = launch.argv_of(work, layout.script)
        env = self._environment(work, settings, keeper, layout)
        bounds = self._keepers.bounder.bounds(settings, keeper.number)
        order = launch.order(str(layout.workdir), argv, env, bounds.packed)
        note = bounds.note.encode()
        if self._keepers.lasting:
            door = taking_up.new_door()
            keeper.keep(door, note)
            step.token = taking_up.token_of(keeper.folder, door)
        elif note:
            step.io.write(note)
        step.pipe = OutputPipe(step.io.write)
        keeper.give(order, step.pipe.writer)
        step.pipe.handed_over()
        return argv, env

    def _layout(self, given: Work, keeper: KeeperLink, ahead: Path | None = None) -> files.Layout:
        """Of a step; `ahead` is where its inputs were copied to before it was due."""
        work = given.located(keeper.inputs)
        return files.Layout(
            keeper.folder,
            work,
            script=launch.needs_file(work),
            private=_settings_of(work).workspace == "private",
            ahead=ahead,
        )

    async def _lay_out(self, step: Step, keeper: KeeperLink, layout: files.Layout) -> None:
        making = asyncio.ensure_future(asyncio.to_thread(layout.make))
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:  # the thread still writes: its folder must stay
            layout.stopped = True
            step.keeper = None
            making.add_done_callback(lambda _: self._keepers.retire(keeper))
            raise

    def _environment(
        self, work: Work, settings: LocalSettings, keeper: KeeperLink, layout: files.Layout
    ) -> dict[str, str]:
        base = self._environments.get(settings.inherit)
        if base is None:
            base = self._environments[settings.inherit] = inherited(settings.inherit)
        env = {**base, **work.env}
        env["TIDE_OUTPUT"] = keeper.output
        env["TMPDIR"] = keeper.tmp
        env["TIDE_PROJECT"] = str(work.project)
        if layout.inputs is not None:
            env["TIDE_INPUTS"] = keeper.inputs
        return env

    async def _sees_it_begin(
        self, step: Step, keeper: KeeperLink, argv: tuple[str, ...], env: dict[str, str]
    ) -> bool:
        """Whether the keeper took the order; if not, another may."""
        workdir = str(step.layout.workdir) if step.layout is not None else ""
        try:
            refusal = await step.begun
        except asyncio.CancelledError:  # `_heard` sees the step to its end
            keeper.kill()
            raise
        if not refusal:
            return True
        if protocol.unpack_failed(refusal)[0] == protocol.AT_KEEPER:
            step.begun = step.loop.create_future()
            return False
        raise StartError(launch.failure(refusal, workdir, argv, env.get("PATH")))

    def _drop(self, step: Step, keeper: KeeperLink) -> None:
        """Nothing runs: the keeper takes with it whatever was laid out."""
        step.keeper = None
        if step.pipe is not None:
            step.pipe.close()
        self._keepers.retire(keeper)

    # -- what keepers tell

    def _heard(self, keeper: KeeperLink, packet: bytes) -> None:
        step, kind = keeper.step, packet[:1]
        if step is None:
            return
        if kind == protocol.STARTED:
            if step.pipe is not None:
                step.pipe.follow(step.loop)
            step.has_begun()
        elif kind == protocol.ENDED:
            self._ended(step, keeper, protocol.unpack_ended(packet))
        elif kind == protocol.NOT_STARTED:
            self._refused(step, keeper, packet)
        elif kind == protocol.STUCK:
            pids = packet[1:].decode()
            self._lost(step, keeper, f"some of its processes cannot be killed: {pids}")
        elif kind == protocol.EXPIRED:
            self._lost(step, keeper, "killed: its worker had lost contact with the schedulers")
        elif kind == protocol.ABANDONED:
            self._lost(step, keeper, "the local executor's warden was killed, and so the step")

    def _gone(self, keeper: KeeperLink, detail: str) -> None:
        if keeper.step is not None:
            text = f"the process that kept this step was killed, and so the step{detail}"
            self._lost(keeper.step, keeper, text)

    def _lost(self, step: Step, keeper: KeeperLink, detail: str) -> None:
        if step.pipe is not None:
            step.pipe.drain()
        self._keepers.retire(keeper)
        step.is_over(lost(detail))

    def _refused(self, step: Step, keeper: KeeperLink, packet: bytes) -> None:
        untouched = protocol.unpack_failed(packet)[0] == protocol.AT_KEEPER
        if untouched and not step.begun.done():
            self._drop(step, keeper)
            step.has_begun(packet)
            return
        if step.layout is None or not step.layout.made:
            self._keepers.give_back(keeper)
        else:
            self._keepers.retire(keeper)
        step.keeper = None
        step.has_begun(packet)
        step.is_over(failed_to_start("it was never started"))

    # -- the end

    def _ended(self, step: Step, keeper: KeeperLink, ended: Ended) -> None:
        """The tree is gone. A step that left no files is over here and now."""
        if step.pipe is not None:
            step.pipe.drain()
        keeper.step = step.keeper = None
        step.has_begun()
        values = b""
        if ended.flags & protocol.HAS_OUTPUT:
            values = files.take_values(keeper.folder, leave=keeper.lasting)
        outcome = outcome_of(ended, values, _settings_of(step.work))
        layout = step.layout
        worn = bool(ended.flags & protocol.WORN)
        collects = outcome.ok and bool(step.work.outputs)
        if layout is None or not (worn or layout.made or collects):
            self._keepers.give_back(keeper)
            step.is_over(outcome)
            return
        task = step.loop.create_task(self._finish(step, keeper, layout, outcome, worn=worn))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        task.add_done_callback(lambda task: self._finished(step, keeper, task))

    async def _finish(
        self, step: Step, keeper: KeeperLink, layout: files.Layout, outcome: Outcome, *, worn: bool
    ) -> None:
        if outcome.ok:
            for output in step.work.outputs:
                for name, path in await asyncio.to_thread(collect, layout.workdir, output):
                    await step.io.save_file(output.name, name, path)
        clean = not layout.made or await asyncio.to_thread(layout.remove)
        if clean and not worn:
            self._keepers.give_back(keeper)
        else:
            self._keepers.retire(keeper)
        step.is_over(outcome)

    def _finished(self, step: Step, keeper: KeeperLink, task: asyncio.Task[None]) -> None:
        """Where files could not be kept, `wait` raises what `_finish` did."""
        if step.over.done():
            return
        self._keepers.retire(keeper)
        error = SpiError("cancelled") if task.cancelled() else task.exception()
        step.fails(error or SpiError("finished without an outcome"))


def _settings_of(work: Work) -> LocalSettings:
    if work.settings is None:
        return _DEFAULT
    if isinstance(work.settings, LocalSettings):
        return work.settings
    raise SpiError(f"settings of the local executor are not {type(work.settings).__name__}")
