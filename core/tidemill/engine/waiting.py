"""Waiting for a time of the clock that is handed in."""

from __future__ import annotations

import asyncio

from tidemill.ports import Clock


async def sleep(clock: Clock, seconds: float) -> None:
    done = asyncio.Event()
    timer = clock.call_at(clock.now() + seconds, done.set)
    try:
        await done.wait()
    finally:
        timer.cancel()
