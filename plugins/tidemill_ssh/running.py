"""How one step runs: from a session on its host to its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tidemill.spi import Outcome, StartError, Work, failed_to_start, lost
from tidemill_ssh import files, order
from tidemill_ssh.hosts import Connection, Hosts
from tidemill_ssh.session import Session
from tidemill_ssh.sessions import Sessions, unheard
from tidemill_ssh.step import Step, outcome_of

LOST_TIME = "killed: its worker had lost contact with the schedulers"

_MARK = "m" * 24
"""As long as any."""

Task = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Runner:
    """`time` says until when steps may run, if there is a limit; `task` starts what the
    executor waits for when it is closed."""

    def __init__(
        self, scratch: Path, hosts: Hosts, time: Callable[[], float | None], task: Task
    ) -> None:
        self._scratch, self._hosts, self._sessions = scratch, hosts, Sessions(hosts)
        self._time, self._task = time, task

    # -- the start

    async def begin(self, step: Step) -> None:
        """Returns when the step runs, or has ended.

        Raises:
            StartError: nothing of it runs.
        """
        draft = order.Place(_MARK, step.settings.workdir)
        order.order(step.work.located(draft.inputs), draft)  # before any host is asked
        connection, session = await self._sessions.take(step.settings)
        place = order.Place(session.mark, step.settings.workdir)
        work = step.work.located(place.inputs)
        step.connection, step.session, step.place = connection, session, place
        try:
            await self._hand_over(step, connection, session, work)
        except BaseException:
            session.hang_up()
            raise
        watching = self._task(self._watch(step, connection, session))
        refusal = await self._begun(step, session)
        if refusal is None and step.turn.ended is None and not step.given_up:
            session.hang_up()
            await watching
            raise StartError(unheard(connection, session))
        if refusal:
            await watching
            raise StartError(order.refusal(refusal, work, place, connection.where))

    async def _hand_over(
        self, step: Step, connection: Connection, session: Session, work: Work
    ) -> None:
        if work.inputs and step.place is not None:
            try:
                async with self._hosts.files(step.settings) as client:
                    await files.upload(client, step.place.inputs, work.inputs)
            except OSError as error:
                raise StartError(
                    f"cannot put the step's inputs on {connection.where}: {error}"
                ) from error
        if step.abandoned or step.place is None:
            raise StartError("it was given up before it began")
        until = self._time()
        moment = connection.clock.moment(until) if until is not None else 0
        text = order.order(work, step.place)
        session.run(step.turn, text, moment, collect=bool(work.outputs))

    async def _begun(self, step: Step, session: Session) -> str | None:
        """Why it does not run, empty if it does; None where the session was gone before."""
        heard: set[asyncio.Future[Any]] = {step.begun, step.turn.settled, session.gone}
        await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        return step.begun.result() if step.begun.done() else None

    # -- the end

    async def _watch(self, step: Step, connection: Connection, session: Session) -> None:
        heard = {step.turn.settled, session.gone}
        await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        outcome = self._outcome(step, connection)
        error = await self._collect(step, connection) if outcome.ok else None
        step.session = None
        await self._leave(step, connection, session)
        outcome = self._outcome(step, connection)  # its time may be over by now
        if error is not None and outcome.ok:
            step.fails(error)
        else:
            step.is_over(outcome)

    async def _leave(self, step: Step, connection: Connection, session: Session) -> None:
        """The supervisor may be given the next step, or has to go."""
        ended = step.turn.ended
        fit = not (step.disturbed or step.abandoned or ended is None) and ended.kept
        if fit and step.work.outputs and self._outcome(step, connection).ok:
            fit = await session.asked("done", "fresh") == ["1"]  # its folders were left as they are
        if fit:
            self._sessions.give_back(connection, session)
        else:
            session.hang_up()

    async def _collect(self, step: Step, connection: Connection) -> Exception | None:
        if not step.work.outputs or step.place is None:
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

    def _outcome(self, step: Step, connection: Connection) -> Outcome:
        ended = step.turn.ended
        if step.given_up:
            return lost(LOST_TIME)
        if ended is None or not step.turn.settled.done():
            return lost(
                f"the contact with {connection.where} was lost; what ran there is ended when that "
                "host notices, its lease is over, or it is reached again"
            )
        if step.refused_late and step.place is not None:
            work = step.work.located(step.place.inputs)
            return failed_to_start(order.refusal("exec", work, step.place, connection.where))
        return outcome_of(ended, connection.waits)
