"""One step: its container and its state."""

from __future__ import annotations

import asyncio

from tidemill.spi import Outcome, StepIO, Work
from tidemill_docker.attach import Streams
from tidemill_docker.files import StepFolder
from tidemill_docker.replay import Replay


class Step:
    """`begun` is done when the step runs, or with why it does not; `over` is done with the
    outcome, when nothing is left of it. One that is only to be ended has neither work nor io."""

    def __init__(
        self, token: str, folder: StepFolder, work: Work | None, io: StepIO | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.token = token
        self.folder = folder
        self.work = work
        self.io = io
        self.begun: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[Outcome] = loop.create_future()
        self.container = ""
        self.has_services = False
        """Or may have: what is theirs has the step's token on it."""
        self.streams: Streams | Replay | None = None
        self.given_up = False
        """Its time was over: whatever it comes to, it is lost."""
        self.unwanted = False
        """Nobody waits for it any more: it is not to be started."""
        self.killer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if self.io is not None:
            self.io.write(data)

    def is_over(self, outcome: Outcome) -> None:
        if self.killer is not None:
            self.killer.cancel()
        if not self.begun.done():
            self.begun.set_result(None)
        if not self.over.done():
            self.over.set_result(outcome)

    def fails(self, error: BaseException) -> None:
        """It ended, but what it made could not be kept: `wait` raises the error."""
        if self.killer is not None:
            self.killer.cancel()
        if not self.over.done():
            self.over.set_exception(error)
            self.over.exception()  # it is not lost, though nobody may wait
