"""Where all time comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """All time comes from here. Times are seconds since the epoch in UTC."""

    def now(self) -> float: ...

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Calls once `now() >= when`, on the event loop."""
