"""The first process of a step's namespace. All others end when it does.

Run by its path in a bare interpreter (`python -I -S`): it imports nothing but the standard
library. Its standard input has a line of JSON for the order, and one for each wish after
it; a wish has `stop` (a grace in seconds) or `until` (a moment of the clock that leases are
counted on). What it has to say goes to the pipe that it is given by number, in two lines:
that the step has begun, and how it ended.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

BUSY = 0.05
"""Seconds until it looks again whether processes that are to end have done so."""


class Init:
    """`wishes` is where they come from, `unread` what has come of them already."""

    def __init__(self, order: dict[str, Any], wishes: int, unread: bytes) -> None:
        self._order, self._wishes, self._unread = order, wishes, unread
        self._until: float | None = order["until"]
        self._kill_at: float | None = None
        self._status: int | None = None

    @property
    def _is_over(self) -> bool:
        """Whether others may be at work on this step by now."""
        return self._until is not None and boot_time() >= self._until

    def run(self, tell: Any) -> None:
        if self._is_over:
            tell({"begun": True})
            tell({"lost": "its worker had lost contact with the schedulers"})
            return
        awake = wake_up_on_signals()
        try:
            main = self._begin()
        except OSError as error:
            tell({"error": in_words(error, self._order)})
            return
        tell({"begun": True})
        self._heed(b"")
        while not self._has_ended(main):
            ready, _, _ = select.select([self._wishes, awake], [], [], self._patience())
            if self._is_over:
                tell({"lost": "killed: its worker had lost contact with the schedulers"})
                return
            if awake in ready:
                os.read(awake, 4096)
            if self._wishes in ready and not self._listen():
                return  # the worker is gone
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                everybody(signal.SIGKILL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        tell(
            {
                "status": self._status,
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "peak_memory": used.ru_maxrss * 1024,
            }
        )

    def _begin(self) -> int:
        argv, env = self._order["argv"], self._order["env"]
        os.chdir(self._order["workdir"])
        program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
        process = subprocess.Popen(
            argv, executable=program or argv[0], env=env, stdin=subprocess.DEVNULL
        )
        process.returncode = 0  # it is waited for here, with all others
        return process.pid

    def _has_ended(self, main: int) -> bool:
        """Buries the dead. Who is asked to stop has ended when all have; else the step ends
        with its first process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return self._status is not None and self._kill_at is None
            if pid == main:
                self._status = os.waitstatus_to_exitcode(status)

    def _patience(self) -> float | None:
        times = [] if self._until is None else [self._until - boot_time()]
        if self._kill_at is not None:
            times.append(max(self._kill_at - time.monotonic(), BUSY))
        return max(min(times), 0) if times else None

    def _listen(self) -> bool:
        data = os.read(self._wishes, 1 << 16)
        self._heed(data)
        return bool(data)

    def _heed(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            wish = json.loads(line)
            self._until = wish.get("until", self._until)
            if "stop" in wish:
                self._stop(wish["stop"])

    def _stop(self, grace: float) -> None:
        kill_at = time.monotonic() + grace
        if self._kill_at is None and grace > 0:
            everybody(signal.SIGTERM)
            everybody(signal.SIGCONT)  # who is held does not hear of it before
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)


def everybody(number: int) -> None:
    """All processes of the namespace but this one."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, number)


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wake_up_on_signals() -> int:
    """What can be read from when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def in_words(error: OSError, order: dict[str, Any]) -> str:
    if error.errno == errno.E2BIG:
        return "its arguments and variables are too large for this system"
    what = order["workdir"] if error.filename == order["workdir"] else order["argv"][0]
    return f"{what}: {error.strerror}"


def main() -> None:
    pipe = os.fdopen(int(sys.argv[1]), "w")

    def tell(news: dict[str, Any]) -> None:
        pipe.write(json.dumps(news) + "\n")
        pipe.flush()

    data = b""
    while b"\n" not in data:
        more = os.read(0, 1 << 16)
        if not more:
            return
        data += more
    order, _, rest = data.partition(b"\n")
    Init(json.loads(order), 0, rest).run(tell)


if __name__ == "__main__":
    main()
