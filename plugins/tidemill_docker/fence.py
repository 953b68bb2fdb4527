"""The dead man's switch of leased steps: a timer of the kernel, and a helper process that
waits on it and kills this executor's containers, whatever has become of the worker."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from tidemill.spi import StartError, boot_time

_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000
_HELPER = Path(__file__).with_name("fence_helper.py")


class Fence:
    """Made where steps are leased. The helper inherits the timer, and the reading end of
    a pipe that closes when the worker dies."""

    def __init__(self) -> None:
        """Raises:
        StartError: the system has no timer to give.
        """
        self._system = ctypes.CDLL(None, use_errno=True)
        self._helper: subprocess.Popen[bytes] | None = None
        self._order: tuple[str, str] | None = None
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
        if self._helper is not None and self._helper.poll() is None:
            return
        if self._helper is not None and self._helper.stdin is not None:
            self._helper.stdin.close()
        arguments = (str(self._timer), url, label, str(folder))
        command = [sys.executable, "-I", "-S", str(_HELPER), *arguments]
        try:
            self._helper = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[self._timer],
                start_new_session=True,
                env={},
            )
        except OSError as error:
            raise StartError(
                f"cannot start the Docker executor's helper: {error.strerror}"
            ) from error

    def close(self) -> None:
        """For the end of an executor whose containers are gone."""
        if self._helper is not None:
            self._helper.kill()
            self._helper.wait()
            if self._helper.stdin is not None:
                self._helper.stdin.close()
            self._helper = None
        if self._timer >= 0:
            os.close(self._timer)
            self._timer = -1
