"""What is for one worker alone.

A pull always waits for it, apart from those for the work of a pool: nobody else can take it, so
that it comes whether there is a slot for it or not, and costs the others nothing.
"""

from __future__ import annotations

import asyncio

from nats.aio.client import Client
from nats.aio.msg import Msg

from tidemill.broker import subjects
from tidemill.broker.pulling import Pull

PULL_SECONDS = 5.0
"""How long a pull waits at the server before it is renewed."""

BATCH = 1000

NOT_YET_SECONDS = 0.2
"""Between two looks for the consumer, which a scheduler makes that has heard the worker."""


class OwnQueue:
    """Call `open` first."""

    def __init__(self, client: Client, worker: str) -> None:
        self._pull = Pull(client, subjects.WORK, subjects.own_consumer(worker), self._receive)
        self._arrived: list[Msg] = []
        self._came = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._pull.open()
        self._feeding = asyncio.get_running_loop().create_task(self._feed())

    async def take(self) -> list[Msg]:
        """Waits for messages, and takes all there are."""
        await self._came.wait()
        self._came.clear()
        arrived, self._arrived = self._arrived, []
        return arrived

    def forget(self) -> None:
        """The server is another one: it knows nothing of what was asked."""
        self._pull.forget()

    async def close(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
        await self._pull.close()

    async def _feed(self) -> None:
        while True:
            await self._pull.ask(BATCH, PULL_SECONDS)
            await self._pull.ended.wait()
            if self._pull.no_consumer:
                await asyncio.sleep(NOT_YET_SECONDS)

    def _receive(self, message: Msg) -> None:
        self._arrived.append(message)
        self._came.set()
