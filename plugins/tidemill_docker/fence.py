"""The dead man's switch of leased steps: a timer of the kernel, and a helper process that
waits on it and kills this executor's containers, whatever has become of the worker."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tidemill.spi import StartError, boot_time
from tidemill_docker import owner

_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000
_HELPER = Path(__file__).with_name("fence_helper.py")


class Fence:
    """Made where steps are leased. The helper inherits the timer, and the reading end of
    a pipe that closes when the worker dies."""

    def __init__(self, *, recoverable: bool = False) -> None:
        """`recoverable` helpers let containers be when the worker has died, until time is
        over.

        Raises:
            StartError: the system has no timer to give.
        """
        self.recoverable = recoverable
        self._system = ctypes.CDLL(None, use_errno=True)
        self._helpers: dict[str, subprocess.Popen[bytes]] = {}
        self.end = float("inf")
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self._timer = int(self._system.timerfd_create(time.CLOCK_BOOTTIME, flags))
        if self._timer < 0:
            reason = os.strerror(ctypes.get_errno())
            raise StartError(f"the Docker executor cannot make a timer: {reason}")

    @property
    def is_over(self) -> bool:
        return boot_time() >= self.end

    def set(self, end: float) -> None:
        """`end` is a moment of `boot_time()`; one that has passed sets it off at once."""
        self.end = end
        moment = max(1, int(end * _NANOSECONDS))  # a zero would disarm it
        once_at = (ctypes.c_long * 4)(0, 0, *divmod(moment, _NANOSECONDS))
        self._system.timerfd_settime(self._timer, _ABSOLUTE, once_at, None)

    def watch(self, url: str, label: str, folder: Path) -> None:
        """Has a helper that kills the containers with this label when time is over. One
        that was killed is replaced.

        Raises:
            StartError: it cannot be started.
        """
        known = self._helpers.get(label)
        if known is not None and known.poll() is None:
            return
        if known is not None and known.stdin is not None:
            known.stdin.close()
        after = "wait" if self.recoverable else "clear"
        arguments = (str(self._timer), url, label, str(folder), after)
        command = [sys.executable, "-I", "-S", str(_HELPER), *arguments]
        try:
            helper = self._helpers[label] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[self._timer],
                start_new_session=True,
                env={},
            )
            _name(folder, helper.pid)
        except OSError as error:
            raise StartError(
                f"cannot start the Docker executor's helper: {error.strerror}"
            ) from error

    def take_over(self, url: str, label: str, folder: Path) -> None:
        """From the helper of a worker that was killed: ours watches before that one ends, so
        that somebody always does. Where it was the earlier one's turn already, the
        container is gone.

        Raises:
            StartError: ours cannot be started.
        """
        if label in self._helpers:
            return
        earlier = owner.helper_of(folder)
        self.watch(url, label, folder)
        pid = int(earlier.split()[2])
        if owner.is_dead(earlier):
            return
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if not owner.is_dead(earlier):  # the number has not been given away
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)

    def close(self) -> None:
        """For the end of an executor whose containers are gone."""
        for helper in self._helpers.values():
            helper.kill()
            helper.wait()
            if helper.stdin is not None:
                helper.stdin.close()
        self._helpers.clear()
        if self._timer >= 0:
            os.close(self._timer)
            self._timer = -1


def _name(folder: Path, pid: int) -> None:
    """So that others know whether what a killed worker left is still looked after."""
    new = folder / f"{owner.HELPER}.new"
    new.write_text(owner.of_process(pid))
    new.rename(folder / owner.HELPER)
