"""One attempt, from its order to its outcome, as the executor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.spi import ArgvAction, Outcome, StepIO, Usage, Work, exited, killed
from tidemill_local.files import Layout
from tidemill_local.pipe import OutputPipe
from tidemill_local.settings import LocalSettings
from tidemill_local.warden.protocol import OUT_OF_MEMORY, Ended

if TYPE_CHECKING:
    from tidemill_local.keeper_link import KeeperLink

_NO_MEMORY = "out of memory: the step came to its bound of memory, and was killed"


class Step:
    """`begun` is done when the step runs, with the packet that says why not if it does
    not; `over` is done with the outcome. `given_up` tells that its time was over."""

    def __init__(self, work: Work, io: StepIO, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.io = io
        self.loop = loop
        self.begun: asyncio.Future[bytes] = loop.create_future()
        self.over: asyncio.Future[Outcome] = loop.create_future()
        self.pipe: OutputPipe | None = None
        self.layout: Layout | None = None
        self.keeper: KeeperLink | None = None
        self.token = ""
        """By which another executor may take it up."""
        self.given_up = False
        self._killer: asyncio.TimerHandle | None = None

    def has_begun(self, refusal: bytes = b"") -> None:
        if not self.begun.done():
            self.begun.set_result(refusal)

    def is_over(self, outcome: Outcome) -> None:
        """Frees all but the outcome: that is kept until the executor closes."""
        self._let_go()
        if not self.over.done():
            self.over.set_result(outcome)

    def fails(self, error: BaseException) -> None:
        """It ended, but what it made could not be kept: `wait` raises the error."""
        self._let_go()
        if not self.over.done():
            self.over.set_exception(error)

    def _let_go(self) -> None:
        if self._killer is not None:
            self._killer.cancel()
        if self.pipe is not None:
            self.pipe.close()
        self.pipe = self.layout = self.keeper = self._killer = None
        self.has_begun()

    def stop(self, grace: float) -> None:
        """Asks the tree to end, and sees to it that it has after `grace` seconds."""
        if self.keeper is None:
            return
        if grace <= 0:
            self._kill()
            return
        end = self.loop.time() + grace
        if self._killer is None:
            self.keeper.terminate()
        elif self._killer.when() <= end:
            return
        else:
            self._killer.cancel()
        self._killer = self.loop.call_at(end, self._kill)

    def give_up(self) -> None:
        """Its time is over: whatever it comes to, it is lost."""
        self.given_up = True
        if self.keeper is not None:
            self.keeper.give_up()

    def _kill(self) -> None:
        if self.keeper is not None:
            self.keeper.kill()


class Nowhere:
    """The `StepIO` of a step that is only to be ended."""

    def write(self, data: bytes) -> None: ...

    async def save_file(self, output: str, name: str, source: Path) -> None: ...


def nothing_known(token: str) -> Work:
    """The work of a step of which only the token is known."""
    return Work(token, 0, "", 0, 0, ArgvAction(()), Path("/"))


def outcome_of(ended: Ended, values: bytes, settings: LocalSettings) -> Outcome:
    usage = Usage(ended.cpu, ended.memory)
    code = os.waitstatus_to_exitcode(ended.status)
    if ended.flags & OUT_OF_MEMORY and code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        # of the step itself, or of what its script waited for
        return killed(signal.SIGKILL, usage=usage, detail=_NO_MEMORY)
    if code < 0:
        return killed(-code, usage=usage, detail=_bound(-code, settings))
    return exited(code, usage=usage, values=values)


def _bound(number: int, settings: LocalSettings) -> str:
    """Which bound a signal tells of, as the step's process did not outlive it."""
    if number == signal.SIGXCPU and settings.cpu_time is not None:
        return f"a process used more than {settings.cpu_seconds} s of CPU time"
    if number == signal.SIGXFSZ and settings.file_size is not None:
        return f"a process wrote a file of more than {settings.file_size} bytes"
    return ""
