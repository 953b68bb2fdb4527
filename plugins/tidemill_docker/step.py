"""One step: its container, its state, and its outcome."""

from __future__ import annotations

import asyncio
import re
import signal

from tidemill.spi import Outcome, StepIO, Usage, Work, exited, killed
from tidemill_docker.attach import Streams
from tidemill_docker.files import StepFolder

_NO_MEMORY = "out of memory: the container came to its bound of memory, and was killed"
_KILLED = 128 + signal.SIGKILL


class Step:
    """`begun` is done when the step runs, or with why it does not; `over` is done with the
    outcome, when nothing is left of it. A step that was taken up has neither work nor io."""

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
        self.streams: Streams | None = None
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


def outcome_of(code: int, status: bytes, usage: Usage, values: bytes, *, oom: bool) -> Outcome:
    """`status` is what the step's own docker-init said of its end. It said nothing where it
    was killed itself: then the container's exit status is all that is known."""
    normal = b"Main child exited normally" in status
    if oom and code == _KILLED:  # of the step itself, or of what its script waited for
        return killed(signal.SIGKILL, usage=usage, detail=_NO_MEMORY)
    if normal or code <= 128 or code - 128 > signal.SIGRTMAX:
        return exited(code & 0xFF, usage=usage, values=values)
    return killed(code - 128, usage=usage)


def usage_of(text: bytes) -> Usage:
    """From the container's own control group, at its end: CPU seconds of all that ran in
    it, and the most memory that all of it held at a time. Zero where the system does not
    tell (cgroup v2 on Linux before 5.19 tells no peak)."""
    found = dict(re.findall(rb"(?m)^(\S+) (.*?) ?$", text))
    nanoseconds = _number(found.get(b"cpuacct/cpuacct.usage", b""))
    microseconds = _number(
        dict(re.findall(rb"(?m)^cpu\.stat (usage_usec) (\d+)", text)).get(b"usage_usec", b"")
    )
    memory = _number(found.get(b"memory/memory.max_usage_in_bytes", b""))
    memory = memory or _number(found.get(b"memory.peak", b""))
    return Usage(nanoseconds / 1e9 or microseconds / 1e6, memory)


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 20 else 0
