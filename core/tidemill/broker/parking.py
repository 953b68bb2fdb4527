"""Pulls that wait at the server, one for each queue that has nothing.

A pull waits for as many messages as there was room for when it was sent, and others go on
waiting when it has them: what has no work is asked once in `PARK_SECONDS`, not after every
step, and a burst of work comes without being asked for piece by piece. The server serves
those who wait in turn, so that a burst is spread over workers.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

log = logging.getLogger(__name__)

PARK_SECONDS = 5.0
"""How long a pull waits at the server before it is renewed."""

_LATE = 0.5
"""Seconds that its end may be late: a server that changes its leader forgets it silently."""


class Parking:
    """`subjects` are those of the requests, by queue. Messages go to `receive`, which tells
    the queue that one came from."""

    def __init__(
        self, client: Client, subjects: Sequence[str], receive: Callable[[Msg], int]
    ) -> None:
        self._client = client
        self._subjects = subjects
        self._receive = receive
        self._until: dict[int, float] = {}
        self._left: dict[int, int] = {}
        self._inbox = ""
        self._ear: Subscription | None = None
        self._changed = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    def waits(self, queue: int) -> bool:
        """Whether a message for this queue would come by itself."""
        now = asyncio.get_running_loop().time()
        return self._until.get(queue, 0) > now

    async def park(self, queues: Iterable[int], room: int) -> None:
        """Lets a pull wait for each of these, for `room` messages."""
        request = json.dumps({"batch": room, "expires": int(PARK_SECONDS * 1e9)}).encode()
        if self._ear is None:
            self._inbox = self._client.new_inbox()
            ear = self._hearing(self._inbox)
            self._ear = await self._client.subscribe(f"{self._inbox}.*", cb=ear)
        for queue in queues:
            try:
                await self._client.publish(self._subjects[queue], request, f"{self._inbox}.{queue}")
            except NatsError as error:
                log.warning("NATS: %s", error)
            until = asyncio.get_running_loop().time() + PARK_SECONDS + _LATE
            self._until[queue], self._left[queue] = until, room

    async def wait(self) -> None:
        """Until a message has come since the last time, or a pull has come to its end."""
        first = min(self._until.values(), default=0) - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(self._changed.wait(), max(first, 0))
        except TimeoutError:
            log.debug("a pull has waited for too long")
        finally:
            self._changed.clear()

    def leave(self) -> None:
        """Nobody waits any more. What is on its way goes back."""
        self._until.clear()
        ear, self._ear, self._inbox = self._ear, None, ""
        if ear is not None:
            leaving = asyncio.get_running_loop().create_task(self._drain(ear))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def forget(self) -> None:
        """The server is another one: it knows nothing of what waited."""
        self._until.clear()
        self._changed.set()

    async def close(self) -> None:
        self.leave()
        for task in self._leaving:
            task.cancel()

    def _hearing(self, inbox: str) -> Callable[[Msg], Awaitable[None]]:
        """Hears what comes for the pulls of this inbox, also when they are left already."""

        async def hear(message: Msg) -> None:
            status = message.headers.get("Status") if message.headers else None
            if inbox != self._inbox:
                if status is None:  # too late: there may be no slot for it
                    await message.nak()
            elif status is None:
                self._came(self._receive(message))
            elif status == "503":  # no consumer yet: not so fast
                queue = int(message.subject.rpartition(".")[2])
                asyncio.get_running_loop().call_later(_LATE, self._ended, queue)
            elif status != "100":
                self._ended(int(message.subject.rpartition(".")[2]))

        return hear

    def _came(self, queue: int) -> None:
        self._left[queue] = self._left.get(queue, 0) - 1
        if self._left[queue] <= 0:
            self._until.pop(queue, None)
        self._changed.set()

    def _ended(self, queue: int) -> None:
        self._until.pop(queue, None)
        self._changed.set()

    @staticmethod
    async def _drain(ear: Subscription) -> None:
        """Ends the pulls, beside the work that has come: who has no ear any more is sent
        nothing. What is on its way is still received."""
        try:
            await ear.drain()  # type: ignore[no-untyped-call]
        except NatsError:
            log.debug("the connection is gone, and with it what waited")
