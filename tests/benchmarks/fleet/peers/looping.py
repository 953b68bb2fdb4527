"""For clients that are asyncio's: one loop that lasts, since their connections do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

AT_ONCE = 100
"""Tasks that a client enqueues beside each other."""

_loop = asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return _loop.run_until_complete(work)


async def gathered(send: Callable[[], Awaitable[Any]], count: int) -> None:
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(send() for _ in range(min(AT_ONCE, count - start))))
