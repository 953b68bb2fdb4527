"""Time that stands still until a test moves it.

Everything that waits on a `VirtualClock` waits for the test, so time-outs of an hour take
no time, and happen at exactly their second. What does not wait on the clock (files,
threads, processes) is not for here.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

IDLE_PASSES = 50
"""Passes of the event loop after which nothing is expected to be under way any more. A
chain of callbacks that is longer than this has to be waited for with `run_until`."""


class VirtualTimer:
    """A call that is due at `when`, unless it is cancelled."""

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualClock:
    """A `tidemill.ports.Clock`. Timers are called by `advance` and `run_until` alone."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[float, int, VirtualTimer]] = []

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, call: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(when, call)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def next_timer(self) -> float | None:
        """When the next call is due, or None if there is none."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def run_until_idle(self) -> None:
        """Lets everything happen that needs no time."""
        for _ in range(IDLE_PASSES):
            while (due := self.next_timer()) is not None and due <= self._now:
                heapq.heappop(self._timers)[2].call()
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Lets this much time pass, with a stop at each timer on the way."""
        until = self._now + seconds
        await self.run_until_idle()
        while (due := self.next_timer()) is not None and due <= until:
            self._now = max(self._now, due)
            await self.run_until_idle()
        self._now = until
        await self.run_until_idle()

    def leap(self, seconds: float) -> None:
        """Time passes and nobody notices, as on a machine that was suspended."""
        self._now += seconds

    async def run_until(self, reached: Callable[[], bool], within: float = 1e6) -> None:
        """Lets time pass, from timer to timer, until `reached()`.

        Raises:
            AssertionError: it is not reached within so many seconds, or nothing is left
                that could bring it about.
        """
        until = self._now + within
        while not await self._settled(reached):
            due = self.next_timer()
            if due is None:
                raise AssertionError("nothing is left to wait for")
            if due > until:
                raise AssertionError(f"not reached within {within:g} s")
            self._now = max(self._now, due)

    async def _settled(self, reached: Callable[[], bool]) -> bool:
        """Whether it is reached without any time passing."""
        for _ in range(IDLE_PASSES):
            if reached():
                return True
            while (due := self.next_timer()) is not None and due <= self._now:
                heapq.heappop(self._timers)[2].call()
            await asyncio.sleep(0)
        return reached()
