"""The system's clock. Tests and the simulator bring their own (`tidemill.testing`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tidemill.ports import Timer
from tidemill.spi import boot_time


class SystemClock:
    """Wall-clock time, anchored once and carried on by a clock that nobody sets, so that a
    step of the system's time (NTP, a person) neither ends a lease nor prolongs one. Time
    that the machine was suspended for has passed all the same. (A timer does not see it,
    and comes late by it.)"""

    def __init__(self, ahead: float = 0.0) -> None:
        """`ahead` is how far the clock to follow is ahead of this system's, in seconds."""
        self._offset = time.time() - boot_time() + ahead

    def now(self) -> float:
        return boot_time() + self._offset

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        loop = asyncio.get_running_loop()
        return loop.call_at(loop.time() + (when - self.now()), call)
