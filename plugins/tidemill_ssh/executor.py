"""The ssh executor: `tidemill.spi.Executor` on top of sessions."""

from __future__ import annotations

import asyncio
import secrets
import shlex
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
    failed_to_start,
    lost,
)
from tidemill_ssh import files, order
from tidemill_ssh.hosts import PLAIN, Connection, Hosts, far_script
from tidemill_ssh.session import Session
from tidemill_ssh.settings import SshSettings
from tidemill_ssh.step import Step, outcome_of

PATIENCE = 5.0
"""Seconds for far ends to end their steps, when the executor is closed."""
_LOST_TIME = "killed: its worker had lost contact with the schedulers"


class SshExecutor:
    """Runs steps on other hosts."""

    self_fencing = True

    def __init__(self, context: ExecutorContext) -> None:
        self._scratch, self._leased = context.scratch, context.leased
        self._hosts = Hosts()
        self._supervisor = shlex.quote(far_script("supervisor.sh"))
        self._steps: dict[str, Step] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._until: float | None = None
        self._closed = False

    async def prepare(self, work: Work) -> None:
        """Logs in, so that the first step need not wait for it."""
        connection = await self._hosts.connect(_settings_of(work))
        connection.give_back()

    async def start(self, work: Work, io: StepIO) -> Handle:
        if self._closed:
            raise StartError("the ssh executor is closed")
        if work.id in self._steps:
            raise SpiError(f"work {work.id} has been started before")
        step = Step(work, io, _settings_of(work))
        if self._time_is_over():
            step.is_over(lost(_LOST_TIME))
            self._steps[work.id] = step
            return Handle(work.id)
        self._steps[work.id] = step
        beginning = self._task(self._begin(step))
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
            place = order.Place("", 0, "", settings.workdir)
            async with self._hosts.files(settings) as client:
                await files.put_back(client, place.where(work), saved)

    async def recover(self, token: str) -> Handle | None:
        """A step never outlives the connection of the worker that started it."""
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

    def _time_is_over(self) -> bool:
        return self._until is not None and boot_time() >= self._until

    def _task(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- the start

    async def _begin(self, step: Step) -> None:
        place_number = secrets.randbits(60) + (1 << 60)
        draft = order.Place(step.mark, place_number, "w", step.settings.workdir)
        work = step.work.located(draft.inputs)
        order.order(work, draft)  # what no host could be given is refused before any is asked
        connection, session = await self._hosts.opened(
            step.settings, lambda on: self._open(step, on, work, place_number)
        )
        step.connection, step.session = connection, session
        watching = self._task(self._watch(step, connection, session))
        try:
            await self._hand_over(step, connection, session, work)
            refusal = await self._first(step.begun, session)
        except BaseException:
            session.hang_up()
            await watching
            raise
        if step.abandoned:
            session.hang_up()
        if refusal is None:
            if not session.ended and not step.given_up:
                session.hang_up()
                await asyncio.shield(session.gone)
                raise StartError(_unheard(connection, session))
        elif refusal and step.place is not None:
            session.hang_up()
            await asyncio.shield(session.gone)
            raise StartError(order.refusal(refusal, work, step.place, connection.where))

    async def _open(self, step: Step, connection: Connection, work: Work, number: int) -> Session:
        plain = connection.limit == "none"
        place = order.Place(
            step.mark, 0 if plain else number, connection.limit, step.settings.workdir
        )
        step.place = place
        step.text = order.order(work, place)
        until = connection.clock.moment(self._until) if self._until is not None else 0
        collect = int(bool(work.outputs))
        arguments = (
            f"{place.mark} {place.number} {len(step.text)} {connection.waits} {until} {collect}"
        )
        command = f"exec sh -c {self._supervisor} tidemill {arguments}"
        session = step.make_session()
        await connection.ssh.create_session(lambda: session, command, encoding=None, **PLAIN)
        return session

    async def _hand_over(
        self, step: Step, connection: Connection, session: Session, work: Work
    ) -> None:
        if self._until is not None:  # it may have been told while the session was opened
            until = b"until %d\n" % connection.clock.moment(self._until)
        else:
            until = b""
        if work.inputs and step.place is not None:
            if await self._first(step.ready, session) is None and session.gone.done():
                raise StartError(_unheard(connection, session))
            try:
                async with self._hosts.files(step.settings) as client:
                    await files.upload(client, step.place.inputs, work.inputs)
            except OSError as error:
                raise StartError(
                    f"cannot put the step's inputs on {connection.where}: {error}"
                ) from error
        if not step.abandoned:
            session.tell(step.text + until)

    async def _first(self, what: asyncio.Future[Any], session: Session) -> Any:
        """None where the session was gone before."""
        await asyncio.wait({what, session.gone}, return_when=asyncio.FIRST_COMPLETED)
        return what.result() if what.done() else None

    # -- the end

    async def _watch(self, step: Step, connection: Connection, session: Session) -> None:
        try:
            await asyncio.wait({step.settled, session.gone}, return_when=asyncio.FIRST_COMPLETED)
            error = await self._collect(step, connection, session)
            session.tell(b"done\n")
            await session.gone
            outcome = self._outcome(step, connection, session)
            if error is not None and outcome.ok:
                step.fails(error)
            else:
                step.is_over(outcome)
        finally:
            connection.give_back()

    async def _collect(
        self, step: Step, connection: Connection, session: Session
    ) -> Exception | None:
        if not step.work.outputs or step.place is None or session.gone.done():
            return None
        if not self._outcome(step, connection, session).ok:
            return None
        work = step.work.located(step.place.inputs)
        try:
            async with self._hosts.files(step.settings) as client:
                await files.collect(client, step.place.where(work), work, step.io, self._scratch)
        except OSError as error:
            return error
        except files.ERRORS as error:
            return OSError(f"cannot fetch the step's files from {connection.where}: {error}")
        return None

    def _outcome(self, step: Step, connection: Connection, session: Session) -> Outcome:
        if step.given_up:
            return lost(_LOST_TIME)
        if session.ended is None:
            return lost(
                f"the contact with {connection.where} was lost; what ran there is ended by the "
                "host itself"
            )
        if step.refused_late and step.place is not None:
            work = step.work.located(step.place.inputs)
            return failed_to_start(order.refusal("exec", work, step.place, connection.where))
        return outcome_of(session.ended, connection.waits)


def _unheard(connection: Connection, session: Session) -> str:
    heard = bytes(session.heard).decode(errors="replace").split("\n")
    words = " ".join(" ".join(heard).split())[:300]
    return f"{connection.where} did not start the step: {words or 'the connection was lost'}"


def _settings_of(work: Work) -> SshSettings:
    if not isinstance(work.settings, SshSettings):
        raise SpiError("the ssh executor needs settings of its own model, with a host at least")
    return work.settings
