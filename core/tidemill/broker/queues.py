"""Taking the most urgent work of a pool first: scan, then park.

Each priority has a consumer of its own. When slots get free, each is asked in turn for
what it has now; when none has anything, a pull waits on each, and the first message ends
the waiting. Which one is asked first goes by weights, so that nothing starves: strict order
would let a steady stream of urgent work shut out all else.
"""

from __future__ import annotations

import asyncio
import json
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from tidemill.broker import subjects
from tidemill.broker.pulling import Pull
from tidemill.model.messages import PRIORITIES

log = logging.getLogger(__name__)

WEIGHTS = (16, 8, 4, 2, 1)
"""How often each priority is asked first, of 31 times."""

PARK_SECONDS = 5.0
"""How long a pull waits at the server before it is renewed."""

_LATE = 0.5


class Turns:
    """Smooth weighted round robin: each in proportion to its weight, evenly spread."""

    def __init__(self, weights: tuple[int, ...]) -> None:
        self._weights = weights
        self._credit = [0] * len(weights)

    def next(self) -> int:
        for at, weight in enumerate(self._weights):
            self._credit[at] += weight
        first = max(range(len(self._credit)), key=lambda at: self._credit[at])
        self._credit[first] -= sum(self._weights)
        return first


class PoolQueues:
    """The queues of one pool, for one worker that takes from them."""

    def __init__(self, client: Client, pool: str) -> None:
        self._client = client
        self._consumers = [subjects.work_consumer(pool, p) for p in range(len(PRIORITIES))]
        self._turns = Turns(WEIGHTS)
        self._arrived: list[Msg] = []
        self._came = asyncio.Event()
        self._pulls = [
            Pull(client, subjects.WORK, consumer, self._receive) for consumer in self._consumers
        ]
        self._taking = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        for pull in self._pulls:
            await pull.open()

    async def take(self, slots: int) -> list[Msg]:
        """Waits for work, and takes at most so many messages."""
        self._taking = True
        try:
            while not self._arrived:
                await self._scan(slots)
                if not self._arrived:
                    await self._park()
            return await self._some(slots)
        finally:
            self._taking = False

    def forget(self) -> None:
        """The server is another one: it knows nothing of what was asked."""
        for pull in self._pulls:
            pull.forget()
        self._came.set()

    async def close(self) -> None:
        for task in self._leaving:
            task.cancel()
        for pull in self._pulls:
            await pull.close()
        for message in self._arrived:
            await message.nak()

    async def _scan(self, slots: int) -> None:
        first = self._turns.next()
        order = [first, *(p for p in range(len(self._pulls)) if p != first)]
        for priority in order:
            wanted = slots - len(self._arrived)
            if wanted <= 0:
                return
            await self._pulls[priority].ask(wanted)
            await self._pulls[priority].ended.wait()

    async def _park(self) -> None:
        """Waits until something has come, or for `PARK_SECONDS`."""
        self._came.clear()
        inbox = self._client.new_inbox()
        parked = await self._client.subscribe(f"{inbox}.*", cb=self._woken)
        request = json.dumps({"batch": 1, "expires": int(PARK_SECONDS * 1e9)}).encode()
        for at, consumer in enumerate(self._consumers):
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.WORK}.{consumer}"
            try:
                await self._client.publish(subject, request, f"{inbox}.{at}")
            except NatsError as error:
                log.warning("NATS: %s", error)
        try:
            await asyncio.wait_for(self._came.wait(), PARK_SECONDS + _LATE)
        except TimeoutError:
            pass
        finally:
            leaving = asyncio.get_running_loop().create_task(self._unpark(parked))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _unpark(self, parked: Subscription) -> None:
        """Ends the waiting pulls, beside the work that has come: who has no ear any more is
        sent nothing. What is on its way is still received."""
        try:
            await parked.drain()  # type: ignore[no-untyped-call]
        except NatsError:
            log.debug("the connection is gone, and with it what waited")

    async def _woken(self, message: Msg) -> None:
        status = message.headers.get("Status") if message.headers else None
        if status is None and not self._taking:  # too late: there may be no slot for it
            await message.nak()
        elif status is None:
            self._receive(message)
            self._came.set()
        elif status == "503":  # no consumer yet: not so fast
            asyncio.get_running_loop().call_later(_LATE, self._came.set)
        elif status != "100":
            self._came.set()

    def _receive(self, message: Msg) -> None:
        self._arrived.append(message)

    async def _some(self, slots: int) -> list[Msg]:
        """The most urgent ones; who came too many goes back at once."""
        rank = {name: at for at, name in enumerate(PRIORITIES)}
        arrived, self._arrived = self._arrived, []
        arrived.sort(key=lambda message: rank[message.subject.rpartition(".")[2]])
        for message in arrived[slots:]:
            await message.nak()
        return arrived[:slots]
