"""Virtual time: an event loop that never waits, and the clocks of nodes."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any

EPOCH = 1_700_000_000.0


class _NoWaiting(selectors.BaseSelector):
    """Instead of waiting for so long, time goes on by so much."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.now += max(timeout, 0)
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


class NodeTimer:
    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        self._handle.cancel()


class NodeClock:
    """See `tidemill.ports.Clock`. It is `skew` seconds ahead of the true time. What it
    calls is called through `run`, which knows whether the node is of a mind to."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, skew: float, run: Callable[..., None]
    ) -> None:
        self._loop = loop
        self._skew = skew
        self._run = run

    def now(self) -> float:
        return EPOCH + self._loop.time() + self._skew

    def call_at(self, when: float, call: Callable[[], None]) -> NodeTimer:
        handle = self._loop.call_later(max(when - self.now(), 0), self._run, call)
        return NodeTimer(handle)
