"""When a long-lived process looks through everything that it keeps.

Python would do so whenever what is kept has grown by a quarter: in a scheduler with some
dozens of runs in hand some 40 ms, several times a minute, in which nothing is dispatched.
Here it is done once in `SECONDS`; what is young is still looked through as it comes.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidemill.ports import Clock
from tidemill.waiting import end, sleep

SECONDS = 60.0

_YOUNG = 700
_MIDDLE = 10
"""Python's own: what is young is so little that to look through it holds nobody up."""

_NEVER = 1 << 30
"""Collections of the young before one of all, that are never reached."""


@asynccontextmanager
async def collected_seldom(clock: Clock) -> AsyncIterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
    collecting = asyncio.create_task(_collect(clock))
    try:
        yield
    finally:
        await end(collecting)
        gc.set_threshold(*before)


async def _collect(clock: Clock) -> None:
    while True:
        await sleep(clock, SECONDS)
        gc.collect()
