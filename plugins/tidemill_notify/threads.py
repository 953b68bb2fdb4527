"""Calls that block, in threads that hold nothing up.

Not those of `asyncio.to_thread`: a receiver that sends a byte now and then can keep such a
call for ever, and the process would wait for it at its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

NAME = "tidemill-notify"
_MOST = 32

T = TypeVar("T")


class Threads:
    """At most 32 at a time; one that nobody waits for any more counts until it ends."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_MOST)

    async def run(self, function: Callable[[], T]) -> T:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            self._free.release()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def body() -> None:
            result, error = None, None
            try:
                result = function()
            except BaseException as caught:  # noqa: BLE001  it is raised where it is waited for
                error = caught
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(finish, result, error)

        try:
            threading.Thread(target=body, name=NAME, daemon=True).start()
        except RuntimeError:  # the system has no more
            self._free.release()
            raise
        return await future
