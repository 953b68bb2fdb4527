"""Taking back a step that an earlier process of this worker had at work, and was killed over.

What is certain comes first: a scheduler has confirmed that the attempt is still this
worker's. Until then nobody gives the step more time than it had. Whatever cannot be taken
back is ended, and only then reported as lost, so that nobody else is given it too early.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.model.messages import Result
from tidemill.ports import Begun, Clock, Executors, Unreadable
from tidemill.spi import Executor, Handle, InputFile, Outcome, Reason, StartError, lost
from tidemill.waiting import sleep
from tidemill.worker.attempt import Attempt, AttemptIO
from tidemill.worker.secrets import Unlocked

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between two looks whether a scheduler has been heard."""

AGAIN = 0.5
"""Seconds before an executor that cannot tell is asked again."""

SETTLING = 1.0
"""Seconds in which an executor tells of what has ended, before it counts as too late."""

NOT_THERE = "its worker was restarted, and the step was not there any more"


class UnknownError(Exception):
    """For a lease nobody could tell what has become of the step; its time is over by now."""


@dataclass(slots=True)
class Recovery(Attempt):
    """`settled` is set when nothing that is started beside it can harm it any more, `lease`
    is in seconds."""

    found: Begun = field(kw_only=True)
    lease: float = field(kw_only=True)
    settled: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)
    _spoilt: str = ""
    _since: float = 0.0

    def __post_init__(self) -> None:
        Attempt.__post_init__(self)
        self._record = self.found
        self._reservation = None  # if it ever was one, it has begun
        self._started_at = self.found.started_at
        self._since = self.clock.now()

    async def run(self) -> Result:
        """What it has come to, which may be known already."""
        try:
            return self.found.result or await Attempt.run(self)
        finally:
            self.settled.set()

    async def unlock(self) -> Unlocked:
        """Secrets are looked up again. Where they are others now, those that the step has
        could not be hidden in what it writes."""
        try:
            unlocked = await Attempt.unlock(self)
        except TidemillError as error:
            self._spoilt = f"its worker was restarted, and then: {error}"
            return self._known
        if not await asyncio.to_thread(unlocked.opens, self.found.seal):
            self._spoilt = "its worker was restarted, and its secrets had changed meanwhile"
        return unlocked

    async def _result_of(self, io: AttemptIO) -> tuple[Mapping[str, Any], Outcome]:
        """Nobody knows whether the inputs are still what they were: nothing is cached."""
        kept, outcome = self._outputs.of(await self._taken_back(io), self._known)
        if outcome.ok and self.order.cache is not None:
            self._log.note("cache: the result is not kept: its worker was restarted")
        return kept, outcome

    async def _taken_back(self, io: AttemptIO) -> Outcome:
        kind, token = self.order.executor, self.found.token
        try:
            if self._spoilt:
                await _patiently(
                    self.clock, self.lease, lambda: put_an_end(self.executors, kind, token)
                )
                return self._said(self._spoilt)
            await self._be_confirmed()
            await self._find_place()
            handle = await _patiently(self.clock, self.lease, lambda: self._recover(io))
        except UnknownError as error:
            return self._said(f"its worker was restarted, and could not find it: {error}")
        finally:
            self.settled.set()
        if handle is None or self._executor is None:
            return self._said(NOT_THERE)
        log.info("%s (run %d) is taken back", self.order.key, self.order.ref.run)
        begun_at = self.found.begun_at
        if self.order.timeout is not None:
            begun_at = max(begun_at, self.clock.now() + SETTLING - self.order.timeout)
        return self._judged(await self._see_out(self._executor, handle, begun_at))

    def _said(self, why: str) -> Outcome:
        log.warning("%s (run %d) is lost: %s", self.order.key, self.order.ref.run, why)
        return lost(why)

    async def _be_confirmed(self) -> None:
        """Until a scheduler has answered to a heartbeat that names this attempt. If it was
        not ours any more, we are told to stop it; without an answer it is given up."""
        while self.broker.last_contact() <= self._since and not self._lost:
            await sleep(self.clock, PAUSE)

    async def _find_place(self) -> None:
        """Output goes on where it stopped: the executor gives all of it again."""
        told = max(await self.broker.told(self.order), self.found.told)
        self._log.go_on(told, self.found.told)

    async def _recover(self, io: AttemptIO) -> Handle | None:
        executor = self._executor = self.executors.get(self.order.executor)
        nowhere = Path(os.devnull)
        work = self._work([InputFile(each.path, nowhere) for each in self.order.inputs])
        self._handle = await executor.recover(self.found.token, work, io)
        return self._handle


async def put_an_end(executors: Executors, kind: str, token: str) -> None:
    """Returns when nothing of the step is at work."""
    executor: Executor = executors.get(kind)
    handle = await executor.recover(token)
    if handle is not None:
        await executor.stop(handle, 0)
        await executor.wait(handle)


async def buried(found: Unreadable, executors: Executors, clock: Clock, lease: float) -> str:
    """Ends what a record that cannot be read tells of; why it is lost."""
    why = f"its worker was restarted, and what it had written down of it {found.why}"
    log.warning("task %d of run %d is lost: %s", found.ref.ordinal, found.ref.run, why)
    try:
        await _patiently(clock, lease, lambda: put_an_end(executors, found.executor, found.token))
    except UnknownError as error:
        why = f"{why}; {error}"
    return why


def lost_result(found: Unreadable, worker: str, now: float, why: str) -> Result:
    return Result(found.ref, found.fence, worker, now, now, Reason.LOST.value, detail=why)


async def _patiently(
    clock: Clock,
    lease: float,
    ask: Callable[[], Awaitable[Handle | None]] | Callable[[], Awaitable[None]],
) -> Handle | None:
    """Asks again and again for a lease: so long a step has at most without its worker.

    Raises:
        UnknownError: there was no answer.
    """
    until = clock.now() + lease
    while True:
        try:
            return await ask()
        except (StartError, TidemillError) as error:
            why = str(error)
        except Exception as error:  # logged with its traceback: a plugin's bug
            log.exception("an executor cannot take a step back")
            why = repr(error)
        if clock.now() >= until:
            raise UnknownError(why)
        await sleep(clock, AGAIN)
