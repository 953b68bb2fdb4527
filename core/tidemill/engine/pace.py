"""How fast results come in: what the buffer of offers is measured by."""

from __future__ import annotations

from collections import deque

_SPAN = 0.1
"""Seconds looked back."""


class Pace:
    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, now: float) -> None:
        self._times.append(now)

    def rate(self, now: float) -> float:
        """Results a second, lately."""
        while self._times and self._times[0] < now - _SPAN:
            self._times.popleft()
        return len(self._times) / _SPAN
