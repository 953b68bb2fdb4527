"""Pulling from a durable consumer over an inbox of one's own.

A pull asks for at most so many messages. The server answers with messages and, when it has
no more or the time is over, with a status that ends the pull. A pull that is neither
answered nor ended (the server went away) ends by a time-out here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from tidemill.broker import subjects

Receive = Callable[[Msg], None]

_LATE = 1.0
"""Seconds that the end of a pull may be late."""


class Pull:
    """One pull at a time from one consumer; messages go to `receive`. `ended` is set while
    no pull is under way."""

    def __init__(self, client: Client, stream: str, consumer: str, receive: Receive) -> None:
        self._client = client
        self._subject = subjects.next_message(stream, consumer)
        self._receive = receive
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._number = 0
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        self.ended.set()
        self.no_consumer = False
        """Whether the last pull found nobody: the consumer has yet to be made."""

    async def open(self) -> None:
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._arrived)

    async def ask(self, batch: int, expires: float | None = None) -> None:
        """Asks for `batch` messages: what there is now, or also what comes within
        `expires` seconds."""
        self._number += 1
        self._left = batch
        self.no_consumer = False
        request: dict[str, object] = {"batch": batch}
        if expires is None:
            request["no_wait"] = True
        else:
            request["expires"] = int(expires * 1e9)
        self.ended.clear()
        self._watch((expires or 0) + _LATE)
        try:
            await self._client.publish(
                self._subject, json.dumps(request).encode(), f"{self._inbox}.{self._number}"
            )
        except NatsError:
            self._end()

    def forget(self) -> None:
        """The pull under way, if any, counts no more: the server it was sent to is gone."""
        self._end()

    async def close(self) -> None:
        self._end()
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def _watch(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.ended.set()

    async def _arrived(self, message: Msg) -> None:
        status = message.headers.get("Status") if message.headers else None
        if status is None:  # it comes under its own subject: of which pull, nobody can tell
            self._receive(message)
            self._left -= 1
        elif status != "100" and message.subject.rpartition(".")[2] == str(self._number):
            self.no_consumer = status == "503"
            self._left = 0
        if self._left <= 0:
            self._end()
