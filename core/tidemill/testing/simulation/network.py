"""Nodes, and the server between them: what JetStream promises, and no more than that."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tidemill.model.messages import Heartbeat, Order, Report, Started, StopAttempt, Voided
from tidemill.model.rows import TaskRef
from tidemill.testing.simulation.time import NodeClock

T = TypeVar("T")

ANSWER_SECONDS = 2.0
ACK_WAIT = 30.0
REPORT_WAIT = 10.0


class Node:
    """A process on a machine: it may be `paused`, `cut` off, or gone (`up` is False)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, skew: float) -> None:
        self.name = name
        self.up = True
        self.cut = False
        self.paused = False
        self.clock = NodeClock(loop, skew, self.run)
        self.tasks: list[asyncio.Task[Any]] = []
        self.died: list[Callable[[], None]] = []
        self._deferred: list[Callable[[], None]] = []

    def run(self, call: Callable[[], None]) -> None:
        """Calls it: now, when the node goes on, or never."""
        if not self.up:
            return
        if self.paused:
            self._deferred.append(call)
        else:
            call()

    def resume(self) -> None:
        self.paused = False
        deferred, self._deferred = self._deferred, []
        for call in deferred:
            self.run(call)

    def crash(self) -> None:
        self.up = False
        for task in self.tasks:
            task.cancel()
        for call in self.died:
            call()

    @property
    def reachable(self) -> bool:
        return self.up and not self.cut


@dataclass(slots=True)
class Parcel(Generic[T]):
    """A message in a stream: it comes again until it is acknowledged."""

    content: T
    generation: int
    done: bool = False


@dataclass(slots=True)
class Network:
    """Delays, loss and the server. `trouble` is how likely it is that a message is
    repeated or overtaken."""

    loop: asyncio.AbstractEventLoop
    dice: random.Random
    trouble: float = 0.0
    generation: int = 0
    queues: dict[str, list[list[Parcel[Order]]]] = field(
        default_factory=lambda: defaultdict(lambda: [[] for _ in range(5)])
    )
    published: set[tuple[TaskRef, int]] = field(default_factory=set)
    claims: dict[tuple[TaskRef, int], tuple[str, float]] = field(default_factory=dict)
    reports: list[Parcel[Report]] = field(default_factory=list)
    listeners: list[tuple[Node, Callable[[Heartbeat, Callable[[], None]], None]]] = field(
        default_factory=list
    )
    controls: dict[str, tuple[Node, Callable[[StopAttempt], None]]] = field(default_factory=dict)
    work_came: asyncio.Event = field(default_factory=asyncio.Event)
    reports_came: asyncio.Event = field(default_factory=asyncio.Event)

    def delay(self) -> float:
        slow = self.dice.random() < self.trouble
        return self.dice.expovariate(1 / 0.5) if slow else self.dice.uniform(0.0002, 0.004)

    async def pass_time(self, node: Node, seconds: float) -> None:
        """Waits, as the node sees it: longer where it stands still."""
        woken: asyncio.Future[None] = self.loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        self.loop.call_later(seconds, node.run, wake)
        await woken

    async def ask(self, node: Node, effect: Callable[[], T]) -> T | None:
        """A request to the server and its answer; None where no answer comes, which does
        not mean that nothing was done."""
        sent = self.loop.time()
        await self.pass_time(node, self.delay())
        if node.cut:
            await self.pass_time(node, ANSWER_SECONDS)
            return None
        found = effect()
        lost = self.dice.random() < self.trouble / 4
        await self.pass_time(node, self.delay())
        if node.cut or lost or self.loop.time() - sent > ANSWER_SECONDS:
            await self.pass_time(node, ANSWER_SECONDS)
            return None
        return found

    def send(self, node: Node, call: Callable[[], None]) -> None:
        """To a node, if it can be reached when the message gets there."""
        if self.dice.random() < self.trouble / 4:
            return

        def arrive() -> None:
            if node.reachable:
                node.run(call)

        self.loop.call_later(self.delay(), arrive)

    # the streams

    def publish(self, order: Order) -> bool:
        if order.epoch != str(self.generation):
            return False
        if (order.ref, order.fence) not in self.published:
            self.published.add((order.ref, order.fence))
            copies = 2 if self.dice.random() < self.trouble else 1
            for _ in range(copies):
                self._queue(Parcel(order, self.generation))
        return True

    def _queue(self, parcel: Parcel[Order]) -> None:
        queue = self.queues[parcel.content.pool][parcel.content.priority]
        at = self.dice.randint(0, len(queue)) if self.dice.random() < self.trouble else len(queue)
        queue.insert(at, parcel)
        self._wake("work_came")

    def pull(self, pool: str, slots: int) -> list[Parcel[Order]]:
        taken: list[Parcel[Order]] = []
        for queue in self.queues[pool]:
            while queue and len(taken) < slots:
                taken.append(queue.pop(0))
        for parcel in taken:
            self.loop.call_later(ACK_WAIT, self._again, parcel, self._queue)
        return taken

    def claim(
        self, ref: TaskRef, fence: int, worker: str, at: float, generation: int
    ) -> bool | None:
        """None where nobody is there to answer: the claims of then are lost."""
        if generation != self.generation:
            return None
        if (ref, fence) in self.claims:
            return False
        self.claims[ref, fence] = (worker, at)
        self.add(Started(ref, fence, worker, at) if worker else Voided(ref, fence))
        return True

    def add(self, report: Report) -> bool:
        copies = 2 if self.dice.random() < self.trouble else 1
        for _ in range(copies):
            self._report(Parcel(report, self.generation))
        return True

    def _report(self, parcel: Parcel[Report]) -> None:
        count = len(self.reports)
        at = self.dice.randint(0, count) if self.dice.random() < self.trouble else count
        self.reports.insert(at, parcel)
        self._wake("reports_came")

    def pull_reports(self) -> list[Parcel[Report]]:
        found, self.reports = self.reports, []
        for parcel in found:
            self.loop.call_later(REPORT_WAIT, self._again, parcel, self._report)
        return found

    def _again(self, parcel: Parcel[T], put: Callable[[Parcel[T]], None]) -> None:
        if not parcel.done and parcel.generation == self.generation:
            put(parcel)

    def forget(self) -> None:
        """The server loses all that it has."""
        self.generation += 1
        self.queues.clear()
        self.published.clear()
        self.claims.clear()
        self.reports.clear()

    def beat(self, sender: Node, beat: Heartbeat, confirmed: Callable[[], None]) -> None:
        for node, heard in list(self.listeners):
            self.send(node, lambda heard=heard: heard(beat, lambda: self.send(sender, confirmed)))  # type: ignore[misc]

    def _wake(self, name: str) -> None:
        getattr(self, name).set()
        setattr(self, name, asyncio.Event())


def orders_of(parcels: Sequence[Parcel[Order]]) -> list[Order]:
    return [parcel.content for parcel in parcels]
