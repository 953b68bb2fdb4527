"""Time and threads of a run under test: it never waits, and there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

from tidemill.testing.simulation.time import EPOCH, NodeClock, VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class HarnessLoop(VirtualLoop):
    """What others would do in a thread is done at once, so that nothing is ever under way
    that the loop knows nothing of, and equal tests go equal ways."""

    def __init__(self) -> None:
        super().__init__()
        # Fine enough for a test, and coarse enough to tell moments apart that are years from
        # the first one: else a timer that is due would never be called.
        self._clock_resolution = 1e-6

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  it is handed on
            future.set_exception(error)
        return future


def clock_of(loop: VirtualLoop, begin: float) -> NodeClock:
    """A clock that shows `begin` when the loop is new."""
    return NodeClock(loop, begin - EPOCH, lambda call: call())
