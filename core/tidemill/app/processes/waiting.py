"""How a process waits: for what it needs at the start, and to be told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tidemill.clock import SystemClock
from tidemill.ports import UnavailableError

log = logging.getLogger("tidemill")

T = TypeVar("T")


AGAIN_SECONDS = 1.0
"""Between two tries to reach NATS or the database at the start."""


class Stop:
    """The first signal asks to drain, the second to stop at once."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.now = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._came)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _came(self) -> None:
        if self.drain.is_set():
            self.now.set()
        self.drain.set()


class Progressing:
    """Whether a count has grown lately."""

    def __init__(self, count: Callable[[], int], clock: SystemClock, within: float) -> None:
        self._count, self._clock, self._within = count, clock, within
        self._last, self._at = -1, clock.now()

    def __call__(self) -> bool:
        now, count = self._clock.now(), self._count()
        if count != self._last:
            self._last, self._at = count, now
        return now - self._at <= self._within


async def first(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Until the task has ended, and with its error, or the event has happened."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


async def patiently(ask: Callable[[], Awaitable[T]], stop: Stop) -> T | None:
    """Asks until it can be reached; None if it is told to stop before."""
    said = ""
    while not stop.drain.is_set():
        try:
            return await ask()
        except UnavailableError as error:
            if said != str(error):
                log.warning("%s: waiting for it", error)
            said = str(error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.drain.wait(), AGAIN_SECONDS)
    return None
