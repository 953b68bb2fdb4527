"""Waiting: for a time of the clock that is handed in, and for tasks to end."""

from __future__ import annotations

import asyncio
from typing import Any

from tidemill.ports import Clock


async def wait_for(event: asyncio.Event, clock: Clock, until: float | None) -> None:
    """Until it is set; where a time is given, it is set then."""
    timer = None if until is None else clock.call_at(until, event.set)
    try:
        await event.wait()
    finally:
        if timer is not None:
            timer.cancel()


async def sleep(clock: Clock, seconds: float) -> None:
    await wait_for(asyncio.Event(), clock, clock.now() + seconds)


AGAIN = 1.0
"""Seconds until one cancels again what goes on."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks until they have ended. Once is not enough: a library may swallow it,
    as nats-py does in the moment in which it waits for room to send. Their errors are raised."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.result()
