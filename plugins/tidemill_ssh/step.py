"""One attempt, from its order to its outcome, as the executor sees it."""

from __future__ import annotations

import asyncio
import re

from tidemill.spi import Outcome, StepIO, Usage, Work, exited, killed
from tidemill_ssh.hosts import Connection
from tidemill_ssh.order import Place
from tidemill_ssh.session import Ended, Session, Turn
from tidemill_ssh.settings import SshSettings

LOOK = 2.0
"""Seconds between two looks at how much memory a step has."""


class Step:
    """`begun` is done when the step runs, with a word that says why not if it does not;
    `over` is done with the outcome. `given_up` tells that its time was over, `disturbed` that
    its supervisor may still be about to end it: it is not given another step."""

    def __init__(self, work: Work, io: StepIO, settings: SshSettings) -> None:
        self.work, self.io, self.settings = work, io, settings
        self.loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[str] = self.loop.create_future()
        self.turn = Turn(io.write, self._told)
        self.over: asyncio.Future[Outcome] = self.loop.create_future()
        self.connection: Connection | None = None
        self.session: Session | None = None
        self.place: Place | None = None
        self.given_up = self.abandoned = self.refused_late = self.disturbed = False
        self._killer: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    def _told(self, kind: str, words: list[str]) -> None:
        if kind == "started" and not self.begun.done():
            self._begins("")
            self._looking = self.loop.call_later(LOOK, self._look)
        elif kind == "refused" and not self.begun.done():
            self._begins(words[0])
        elif kind == "refused":
            self.refused_late = True
        elif kind == "over":
            self.given_up = True
            self._begins("")

    def _begins(self, refusal: str) -> None:
        if not self.begun.done():
            self.begun.set_result(refusal)

    def _look(self) -> None:
        if self.session is not None and not self.over.done():
            self.session.tell(b"peak\n")
            self._looking = self.loop.call_later(LOOK, self._look)

    def is_over(self, outcome: Outcome) -> None:
        self._let_go()
        if not self.over.done():
            self.over.set_result(outcome)

    def fails(self, error: BaseException) -> None:
        """It ended, but what it made could not be kept: `wait` raises the error."""
        self._let_go()
        if not self.over.done():
            self.over.set_exception(error)
            self.over.exception()  # nobody has to wait for it

    def _let_go(self) -> None:
        for timer in (self._killer, self._looking):
            if timer is not None:
                timer.cancel()
        self.session = self._killer = self._looking = None

    def stop(self, grace: float) -> None:
        """Asks the tree to end, and sees to it that it has after `grace` seconds."""
        if self.session is None:
            return
        if grace <= 0:
            self.kill()
            return
        end = self.loop.time() + grace
        if self._killer is None:
            self.disturbed = True
            self.session.tell(b"term\n")
        elif self._killer.when() <= end:
            return
        else:
            self._killer.cancel()
        self._killer = self.loop.call_at(end, self.kill)

    def kill(self) -> None:
        if self.session is not None:
            self.disturbed = True
            self.session.tell(b"kill\n")

    def give_up(self) -> None:
        """Its time is over: whatever it comes to, it is lost."""
        self.given_up = True
        self.kill()

    def until(self, moment: float) -> None:
        if self.session is not None and self.connection is not None:
            self.session.tell(b"until %d\n" % self.connection.clock.moment(moment))


def outcome_of(ended: Ended, waits: str) -> Outcome:
    """`waits` says who waited for the step, and so how its end is told."""
    status, said = int(ended.words[0]), " ".join(ended.words[7:])
    usage = _usage(ended.words)
    signal = 0
    if waits == "setsid" and "did not exit normally" in said:
        signal = status & 0x7F
    elif waits == "time" and (found := re.search(r"terminated by signal (\d+)", said)):
        signal = int(found[1])
    elif waits == "shell" and status > 128:
        signal = status - 128  # all that a shell tells: it may have exited with this, too
    if signal:
        return killed(signal, usage=usage)
    return exited(status & 0xFF, usage=usage, values=ended.values)


def _usage(words: list[str]) -> Usage:
    before, after = map(_seconds, words[1:3]), map(_seconds, words[3:5])
    peak = int(words[5]) * 1024 if words[5].isdigit() else 0
    return Usage(max(0.0, sum(after) - sum(before)), peak)


def _seconds(text: str) -> float:
    """As `times` of a shell says it: 1m2.345s."""
    found = re.fullmatch(r"(\d+)m(\d+[.,]\d+)s", text)
    return int(found[1]) * 60 + float(found[2].replace(",", ".")) if found else 0.0
