"""The server: what JetStream promises, and no more than that."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from tidemill.model.messages import PRIORITIES, Order, Result, Started, Voided
from tidemill.model.rows import TaskRef
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.nodes import Node

T = TypeVar("T")

ACK_WAIT = 30.0
REPORT_WAIT = 10.0
PULL_SECONDS = 5.0

Claim = tuple[TaskRef, int]


@dataclass(slots=True, eq=False)
class Parcel(Generic[T]):
    """A message in a stream: it comes again until it is acknowledged. `life` is that of the
    stream that it is in."""

    content: T
    rank: int
    life: int
    done: bool = False
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class Pull(Generic[T]):
    """A node asks for at most `count` messages, and waits."""

    node: Node
    count: int
    arrive: Callable[[list[Parcel[T]]], None]
    until: float = 0.0


class Stream(Generic[T]):
    """Messages by rank, the lowest first, for whoever asks. What was taken and is not
    acknowledged in `wait` seconds comes again."""

    def __init__(self, network: Network, wait: float, ranks: int = 1) -> None:
        self._network, self._wait = network, wait
        self._parcels: list[list[Parcel[T]]] = [[] for _ in range(ranks)]
        self._pulls: deque[Pull[T]] = deque()
        self._life = 0

    def add(self, content: T, rank: int = 0) -> None:
        copies = 2 if self._network.happens() else 1
        for _ in range(copies):
            self._put(Parcel(content, rank, self._life))

    def pull(self, pull: Pull[T]) -> None:
        pull.until = self._network.loop.time() + PULL_SECONDS
        self._pulls.append(pull)
        self._serve()

    def acknowledge(self, parcel: Parcel[T]) -> None:
        parcel.done = True
        if parcel.timer is not None:
            parcel.timer.cancel()

    def give_back(self, parcel: Parcel[T]) -> None:
        if parcel.timer is not None:
            parcel.timer.cancel()
        self._again(parcel)

    def forget(self) -> None:
        self._life += 1
        for parcels in self._parcels:
            parcels.clear()

    def _put(self, parcel: Parcel[T]) -> None:
        parcels = self._parcels[parcel.rank]
        overtaken = self._network.happens()
        at = self._network.dice.randint(0, len(parcels)) if overtaken else len(parcels)
        parcels.insert(at, parcel)
        self._serve()

    def _serve(self) -> None:
        while self._pulls and any(self._parcels):
            pull = self._pulls.popleft()
            if pull.node.up and pull.until > self._network.loop.time():
                taken = self._take(pull.count)
                self._network.deliver(pull.node, partial(pull.arrive, taken))

    def _take(self, count: int) -> list[Parcel[T]]:
        taken: list[Parcel[T]] = []
        for parcels in self._parcels:
            while parcels and len(taken) < count:
                taken.append(parcels.pop(0))
        for parcel in taken:
            parcel.timer = self._network.loop.call_later(self._wait, self._again, parcel)
        return taken

    def _again(self, parcel: Parcel[T]) -> None:
        if not parcel.done and parcel.life == self._life:
            self._put(parcel)


@dataclass(slots=True)
class Server:
    """Streams of work (by pool, and by the worker that it is for alone), of claims and of
    results, and who has claimed what.
    Claims belong to an `epoch`, which ends when they are lost."""

    network: Network
    epoch: int = 0
    work: dict[str, Stream[Order]] = field(default_factory=dict)
    own_work: dict[str, Stream[Order]] = field(default_factory=dict)
    claims: Stream[Started | Voided] = field(init=False)
    results: Stream[Result] = field(init=False)
    claimed: dict[Claim, Started] = field(default_factory=dict)
    begun: dict[Claim, Started] = field(default_factory=dict)
    """Of what was reserved."""
    published: set[Claim] = field(default_factory=set)
    reconnect: list[Callable[[], None]] = field(default_factory=list)
    """Called when it comes up with nothing."""
    told: Callable[[str], None] | None = None
    ambush: Callable[[str], None] | None = None
    """Called once, when a worker (by name) has claimed something."""

    def __post_init__(self) -> None:
        self.claims = Stream(self.network, REPORT_WAIT)
        self.results = Stream(self.network, REPORT_WAIT)

    def pool(self, name: str) -> Stream[Order]:
        if name not in self.work:
            self.work[name] = Stream(self.network, ACK_WAIT, len(PRIORITIES))
        return self.work[name]

    def own(self, worker: str) -> Stream[Order]:
        if worker not in self.own_work:
            self.own_work[worker] = Stream(self.network, ACK_WAIT, len(PRIORITIES))
        return self.own_work[worker]

    def queue_of(self, order: Order) -> Stream[Order]:
        return self.own(order.target) if order.target else self.pool(order.pool)

    def publish(self, order: Order) -> bool:
        """Once for each task and fence."""
        name = (order.ref, order.fence)
        if name not in self.published:
            self.published.add(name)
            self.queue_of(order).add(order, order.priority)
        return True

    def claim(self, claim: Started, epoch: str) -> bool | None:
        """The first claim of a task and fence wins. None where there are no claims of
        this epoch (any more)."""
        return self._claim(self.claimed, claim, epoch, "has claimed")

    def begin(self, claim: Started, epoch: str) -> bool | None:
        """The same of the begin of what was reserved."""
        return self._claim(self.begun, claim, epoch, "begins with")

    def _claim(
        self, claimed: dict[Claim, Started], claim: Started, epoch: str, does: str
    ) -> bool | None:
        if epoch != str(self.epoch):
            return None
        name = (claim.ref, claim.fence)
        if name in claimed:
            return False
        claimed[name] = claim
        if self.told is not None:
            self.told(f"{claim.worker or 'nobody'} {does} {claim.ref} {claim.fence}")
        voided = Voided(claim.ref, claim.fence, claim.reserved)
        self.claims.add(claim if claim.worker else voided)
        if claim.worker and self.ambush is not None:
            ambush, self.ambush = self.ambush, None
            ambush(claim.worker)
        return True

    def add_result(self, result: Result) -> bool:
        self.results.add(result)
        return True

    # what it may lose

    def forget(self) -> None:
        """All that it has."""
        self.forget_claims()
        self.forget_work()
        self.results.forget()
        for call in self.reconnect:
            call()

    def forget_claims(self) -> None:
        self.epoch += 1
        self.claimed.clear()
        self.begun.clear()
        self.claims.forget()

    def forget_work(self) -> None:
        self.published.clear()
        for stream in (*self.work.values(), *self.own_work.values()):
            stream.forget()
