"""Taking the most urgent work of a pool first: scan, then park.

Each priority has a consumer of its own. When slots get free, each is asked in turn for
what it has now; when none has anything, a pull waits on each, and what comes for one is
taken at once. A priority at which a pull waits has nothing, and need not be asked. Which one
is asked first goes by weights, so that nothing starves: strict order would let a steady
stream of urgent work shut out all else.
"""

from __future__ import annotations

from nats.aio.client import Client
from nats.aio.msg import Msg

from tidemill.broker import subjects
from tidemill.broker.parking import Parking
from tidemill.broker.pulling import Pull
from tidemill.model.messages import PRIORITIES

WEIGHTS = (16, 8, 4, 2, 1)
"""How often each priority is asked first, of 31 times."""

_RANKS = {name: rank for rank, name in enumerate(PRIORITIES)}


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
        consumers = [subjects.work_consumer(pool, rank) for rank in _RANKS.values()]
        self._turns = Turns(WEIGHTS)
        self._arrived: list[Msg] = []
        self._pulls = [
            Pull(client, subjects.WORK, consumer, self._receive) for consumer in consumers
        ]
        self._parking = Parking(
            client,
            [subjects.next_message(subjects.WORK, consumer) for consumer in consumers],
            self._receive_parked,
        )

    async def open(self) -> None:
        for pull in self._pulls:
            await pull.open()

    async def take(self, slots: int) -> list[Msg]:
        """Waits for work, and takes at most so many messages. Where fewer come, pulls go on
        waiting: the caller asks again at once."""
        try:
            while not self._arrived:
                await self._scan(slots)
                if not self._arrived:
                    await self._parking.park(self._unasked(), slots)
                    await self._parking.wait()
            taken = await self._some(slots)
        except BaseException:
            self._parking.leave()
            raise
        if len(taken) == slots:
            self._parking.leave()
        return taken

    def forget(self) -> None:
        """The server is another one: it knows nothing of what was asked."""
        for pull in self._pulls:
            pull.forget()
        self._parking.forget()

    async def close(self) -> None:
        await self._parking.close()
        for pull in self._pulls:
            await pull.close()
        for message in self._arrived:
            await message.nak()

    def _unasked(self) -> list[int]:
        return [rank for rank in _RANKS.values() if not self._parking.waits(rank)]

    async def _scan(self, slots: int) -> None:
        first = self._turns.next()
        for rank in sorted(self._unasked(), key=lambda rank: rank != first):
            wanted = slots - len(self._arrived)
            if wanted <= 0:
                return
            await self._pulls[rank].ask(wanted)
            await self._pulls[rank].ended.wait()

    def _receive(self, message: Msg) -> None:
        self._arrived.append(message)

    def _receive_parked(self, message: Msg) -> int:
        self._receive(message)
        return _rank(message)

    async def _some(self, slots: int) -> list[Msg]:
        """The most urgent ones; who came too many goes back at once."""
        arrived, self._arrived = self._arrived, []
        arrived.sort(key=_rank)
        for message in arrived[slots:]:
            await message.nak()
        return arrived[:slots]


def _rank(message: Msg) -> int:
    return _RANKS[message.subject.rpartition(".")[2]]
