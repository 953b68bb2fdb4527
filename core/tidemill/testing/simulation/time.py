"""Virtual time: an event loop that never waits, and the clocks of nodes."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Mapping
from typing import Any

EPOCH = 1_700_000_000.0

SKEW = 4.5
"""Seconds by which schedulers' clocks may differ from the true time: two of them by 9, and
a third of the lease is 10."""


def skew(dice: random.Random) -> float:
    """Often as much as there may be."""
    return dice.choice((-SKEW, SKEW, dice.uniform(-SKEW, SKEW)))


class _NoWaiting(selectors.BaseSelector):
    """Instead of waiting for so long, time goes on by so much."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        if timeout > 0:
            self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs what is ready; when nothing is, it is at once the time of the next timer."""

    def __init__(self) -> None:
        self._waiting = _NoWaiting()
        super().__init__(self._waiting)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._waiting.now


class NodeClock:
    """See `tidemill.ports.Clock`. It is `skew` seconds ahead of the true time, which may
    change. What it calls is called through `run`, which knows whether the node is of a mind
    to."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, skew: float, run: Callable[[Callable[[], None]], Any]
    ) -> None:
        self.loop, self.skew, self.run = loop, skew, run

    def now(self) -> float:
        return EPOCH + self.loop.time() + self.skew

    def call_at(self, when: float, call: Callable[[], None]) -> NodeTimer:
        return NodeTimer(self, when, call)


class NodeTimer:
    """Set again where it is not yet time when it goes off: a clock may be put back."""

    __slots__ = ("_call", "_clock", "_handle", "_when")

    def __init__(self, clock: NodeClock, when: float, call: Callable[[], None]) -> None:
        self._clock, self._when = clock, when
        self._call: Callable[[], None] | None = call
        self._set()

    def cancel(self) -> None:
        self._call = None
        self._handle.cancel()

    def _set(self) -> None:
        left = max(self._when - self._clock.now(), 0)
        self._handle = self._clock.loop.call_later(left, self._clock.run, self._go_off)

    def _go_off(self) -> None:
        if self._when - self._clock.now() > 1e-6:
            self._set()
        elif self._call is not None:
            self._call()
