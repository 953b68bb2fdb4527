"""How far another clock is ahead of one's own, as far as its answers tell.

An answer that names the time was on its way for an unknown while, so what it names is less
than what that clock shows when it comes: each gives a lower bound, and the greatest of the
latest ones is the closest. To err on this side is to be late by the time that a message takes,
and never early.
"""

from __future__ import annotations

from collections import deque

LATEST = 6
"""Answers that count: clocks drift, and another one may answer by now."""


class ClockAhead:
    def __init__(self) -> None:
        self._bounds: deque[float] = deque(maxlen=LATEST)

    def heard(self, theirs: float, received: float) -> None:
        """An answer said `theirs`, and came when one's own clock showed `received`."""
        self._bounds.append(theirs - received)

    @property
    def seconds(self) -> float | None:
        """None where nothing was heard yet."""
        return max(self._bounds, default=None)
