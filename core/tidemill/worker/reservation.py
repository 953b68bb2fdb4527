"""What a worker has reserved a slot for: an attempt that is not begun before its due time.

Until then it gets ready, and nothing of the step runs. At the due time it begins by this
worker's own timer, set by the schedulers' clock; nobody is asked, but for a step that must
never be begun twice: that takes one round trip to the broker, in which it is this worker's or
nobody's. What is taken back before then ends without having been begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tidemill.model.messages import Order
from tidemill.ports import Clock, WorkerEnd
from tidemill.waiting import end, sleep

NEAR = 1.0
"""Seconds before the due time in which the clock is looked at once more: what is known of the
schedulers' clock gets better with time."""

UNKNOWN = 0.2
"""Seconds until one looks again whether a scheduler has told the time."""


@dataclass(slots=True)
class Reservation:
    """Of an order with a `start_at`. `may_begin` says whether the worker is in contact."""

    order: Order
    worker: str
    broker: WorkerEnd
    clock: Clock
    may_begin: Callable[[], bool]
    begun: bool = False
    _withdrawn: asyncio.Event = field(default_factory=asyncio.Event)
    _telling: asyncio.Task[bool] | None = None

    def withdraw(self) -> None:
        """It is not to be begun, unless it has been."""
        self._withdrawn.set()

    async def wait(self, get_ready: Coroutine[Any, Any, None]) -> bool:
        """Until it is due and ready. Whether it is to be begun then."""
        parts = (
            asyncio.ensure_future(self._until_due()),
            asyncio.ensure_future(get_ready),
        )
        withdrawn = asyncio.ensure_future(self._withdrawn.wait())
        try:
            for part in parts:
                await asyncio.wait({part, withdrawn}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*parts, withdrawn)
        self.begun = not self._withdrawn.is_set() and self.may_begin() and await self._tell()
        return self.begun

    async def _until_due(self) -> None:
        while (left := self._left()) is None or left > 0:
            if left is None:
                await sleep(self.clock, UNKNOWN)
            else:
                await sleep(self.clock, left - NEAR if left > 2 * NEAR else left)

    def _left(self) -> float | None:
        ahead, due = self.broker.clock_ahead(), self.order.start_at
        if due is None:
            return 0.0
        return None if ahead is None else due - (self.clock.now() + ahead)

    async def _tell(self) -> bool:
        telling = self.broker.begin(self.order, self.worker, self.clock.now())
        if self.order.once:
            return await telling
        self._telling = asyncio.ensure_future(telling)  # heartbeats tell of it, too
        return True
