"""Where all time comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """All time comes from here. Times are seconds since the epoch in UTC."""

    def now(self) -> float: ...

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Calls once `now() >= when`, on the event loop."""


async def wait_for(event: asyncio.Event, clock: Clock, until: float | None) -> None:
    """Until it is set; where a time is given, it is set then."""
    timer = None if until is None else clock.call_at(until, event.set)
    try:
        await event.wait()
    finally:
        if timer is not None:
            timer.cancel()
