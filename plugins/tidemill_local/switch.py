"""The dead man's switch: one timer of the kernel that all helper processes wait on.

It goes off when nobody has set it anew in time, whatever has become of this process. It
counts the time that the machine is suspended for, and to set it costs one call here, and
nothing where it is waited on.
"""

from __future__ import annotations

import ctypes
import os
import time

from tidemill.spi import StartError, boot_time

_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000


class Switch:
    """`descriptor` is readable from the set moment on until a later one is set. It is
    inherited by the helpers; the timer behind it is the same for all of them."""

    def __init__(self) -> None:
        """Raises:
        StartError: the system has no timer to give.
        """
        self._system = ctypes.CDLL(None, use_errno=True)
        self._end = float("inf")
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self.descriptor = int(self._system.timerfd_create(time.CLOCK_BOOTTIME, flags))
        if self.descriptor < 0:
            reason = os.strerror(ctypes.get_errno())
            raise StartError(f"the local executor cannot make a timer: {reason}")

    @property
    def is_over(self) -> bool:
        return boot_time() >= self._end

    def set(self, end: float) -> None:
        """`end` is a moment of `boot_time()`; one that has passed sets it off at once."""
        self._end = end
        moment = max(1, int(end * _NANOSECONDS))  # a zero would disarm it
        once_at = (ctypes.c_long * 4)(0, 0, *divmod(moment, _NANOSECONDS))
        self._system.timerfd_settime(self.descriptor, _ABSOLUTE, once_at, None)

    def close(self) -> None:
        os.close(self.descriptor)
