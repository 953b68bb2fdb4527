"""The ends of the simulated broker that schedulers and workers hold. They do about trouble
what the JetStream adapter does: try again, a few times or for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar

from tidemill.model.clock_ahead import ClockAhead
from tidemill.model.messages import (
    Control,
    Heartbeat,
    Nudge,
    Order,
    Output,
    Report,
    Result,
    Started,
    Voided,
)
from tidemill.model.rows import TaskRef
from tidemill.ports import Delivery, Epoch, Inbox
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.server import PULL_SECONDS, Parcel, Pull, Server, Stream
from tidemill.waiting import sleep, wait_for

T = TypeVar("T")

CLAIM_TRIES = 4
PUBLISH_TRIES = 2
RETRY_SECONDS = 0.5
BATCH = 1000

Confirm = Callable[[], None]

Heard = Callable[[float], None]
"""Called with the time of the scheduler that has heard it."""


@dataclass(slots=True)
class Wire:
    """The network and the server; who listens to heartbeats, and who to what workers are told."""

    network: Network
    server: Server
    listeners: dict[Node, Callable[[Report, Confirm], None]] = field(default_factory=dict)
    controls: dict[str, tuple[Node, Callable[[Control], None]]] = field(default_factory=dict)

    def beat(self, sender: Node, beat: Heartbeat, confirmed: Heard) -> None:
        for node, hear in self.listeners.items():
            answer = partial(self._answer, node, sender, confirmed)
            self.network.say(sender, node, partial(hear, beat, answer))

    def _answer(self, node: Node, sender: Node, confirmed: Heard) -> None:
        self.network.say(node, sender, partial(confirmed, node.clock.now()))

    def nudge(self, run: int) -> None:
        """From a client: it may be lost."""
        for node, hear in self.listeners.items():
            self.network.deliver(node, partial(hear, Nudge(run), _nothing))


def _nothing() -> None: ...


class _Puller(Generic[T]):
    """Asks a stream, again and again, and gives back what comes when nobody wants it."""

    def __init__(self, wire: Wire, node: Node, stream: Stream[T]) -> None:
        self._wire, self._node, self._stream = wire, node, stream

    async def pull(self, count: int) -> list[Parcel[T]]:
        while True:
            came: asyncio.Future[list[Parcel[T]]] = asyncio.get_running_loop().create_future()
            pull = Pull(self._node, count, partial(self._arrive, came))
            self._wire.network.tell(self._node, partial(self._stream.pull, pull))
            until = self._node.clock.now() + PULL_SECONDS
            timer = self._node.clock.call_at(until, partial(_settle, came, []))
            try:
                if parcels := await came:
                    return parcels
            finally:
                timer.cancel()

    def _arrive(self, came: asyncio.Future[list[Parcel[T]]], parcels: list[Parcel[T]]) -> None:
        if not came.done():
            came.set_result(parcels)
            return
        for parcel in parcels:
            self._wire.network.tell(self._node, partial(self._stream.give_back, parcel))


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


class SimulatedSchedulerEnd:
    """See `tidemill.ports.SchedulerEnd`."""

    def __init__(self, wire: Wire, node: Node) -> None:
        self._wire, self._node = wire, node
        self._network, self._server = wire.network, wire.server
        self._epoch, self._since = str(self._server.epoch), node.clock.now()
        self._holders: dict[tuple[TaskRef, int], str] = {}
        self._reports: list[tuple[Report, Confirm]] = []
        self._arrived = asyncio.Event()
        wire.listeners[node] = self._add
        self._server.reconnect.append(self._reconnect)
        node.died.append(self._leave)
        self._begin(self._feed(self._server.claims, self._claim))
        self._begin(self._feed(self._server.results, self._result))

    def _leave(self) -> None:
        del self._wire.listeners[self._node]
        self._server.reconnect.remove(self._reconnect)

    # what the engine calls

    async def publish(self, orders: Sequence[Order]) -> None:
        for order in orders:
            for _ in range(PUBLISH_TRIES):
                if await self._network.ask(self._node, partial(self._server.publish, order)):
                    break

    async def void(
        self, ref: TaskRef, fence: int, pool: str, epoch: str, *, reserved: bool = False
    ) -> bool:
        del pool
        claim = Started(ref, fence, "", self._node.clock.now(), reserved)
        ask = self._server.begin if reserved else self._server.claim
        voided = await self._network.ask(self._node, partial(ask, claim, epoch))
        if voided is None:
            await self.epoch()
        return bool(voided)

    def known_epoch(self) -> Epoch:
        return Epoch(self._epoch, self._since)

    async def epoch(self) -> Epoch:
        found = await self._network.ask(self._node, lambda: str(self._server.epoch))
        if found is None:
            return Epoch(self._epoch, self._node.clock.now())
        self._learn(found)
        return self.known_epoch()

    def _reconnect(self) -> None:
        """The server may be another one: whoever connects again looks."""
        found = str(self._server.epoch)
        self._network.deliver(self._node, lambda: self._learn(found))

    def _learn(self, epoch: str) -> None:
        if epoch != self._epoch:
            self._epoch, self._since = epoch, self._node.clock.now()

    async def control(self, messages: Sequence[Control]) -> None:
        for message in messages:
            if message.worker in self._wire.controls:
                node, told = self._wire.controls[message.worker]
                self._network.say(self._node, node, partial(told, message))

    async def inbox(self, until: float | None) -> Inbox:
        if not self._reports:
            self._arrived.clear()
            await wait_for(self._arrived, self._node.clock, until)
        found, self._reports = self._reports, []
        return Inbox([report for report, _ in found], [confirm for _, confirm in found])

    async def confirm(self, inbox: Inbox) -> None:
        for confirm in inbox.tag:
            confirm()

    async def close(self) -> None: ...

    # what comes

    async def _feed(self, stream: Stream[T], receive: Callable[[T, Confirm], None]) -> None:
        puller = _Puller(self._wire, self._node, stream)
        while True:
            for parcel in await puller.pull(BATCH):
                done = partial(stream.acknowledge, parcel)
                receive(parcel.content, partial(self._network.tell, self._node, done))

    def _claim(self, claim: Started | Voided, confirm: Confirm) -> None:
        holder = claim.worker if isinstance(claim, Started) else ""
        if not (isinstance(claim, Voided) and claim.reserved):
            self._holders[claim.ref, claim.fence] = holder
        self._add(claim, confirm)

    def _result(self, result: Result, confirm: Confirm) -> None:
        holder = self._holders.get((result.ref, result.fence))
        if holder is None:
            self._begin(self._look_up(result, confirm))
        else:
            self._add(replace(result, claimed=holder == result.worker), confirm)

    async def _look_up(self, result: Result, confirm: Confirm) -> None:
        """Who holds the claim, where another scheduler was told."""
        find = partial(self._server.claimed.get, (result.ref, result.fence))
        claim = await self._network.ask(self._node, find)
        claimed = claim is not None and claim.worker == result.worker
        self._add(replace(result, claimed=claimed), confirm)

    def _add(self, report: Report, confirm: Confirm) -> None:
        self._reports.append((report, confirm))
        self._arrived.set()

    def _begin(self, work: object) -> None:
        self._node.tasks.append(asyncio.get_running_loop().create_task(work))  # type: ignore[arg-type]


class SimulatedWorkerEnd:
    """See `tidemill.ports.WorkerEnd`."""

    def __init__(self, wire: Wire, node: Node) -> None:
        self._wire, self._node = wire, node
        self._network, self._server = wire.network, wire.server
        self._contact = node.clock.now()
        self._ahead = ClockAhead()
        self._controls: list[Control] = []
        self._told_something = asyncio.Event()
        wire.controls[node.name] = (node, self._told)

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        parcels = await _Puller(self._wire, self._node, self._server.pool(pool)).pull(slots)
        return [Delivery(parcel.content, parcel) for parcel in parcels]

    async def take_own(self, worker: str) -> list[Delivery]:
        parcels = await _Puller(self._wire, self._node, self._server.own(worker)).pull(BATCH)
        return [Delivery(parcel.content, parcel) for parcel in parcels]

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        claim = Started(order.ref, order.fence, worker, at, order.start_at is not None)
        ask = partial(self._server.claim, claim, order.epoch)
        return await self._claim(claim, ask, self._server.claimed)

    async def begin(self, order: Order, worker: str, at: float) -> bool:
        claim = Started(order.ref, order.fence, worker, at)
        ask = partial(self._server.begin, claim, order.epoch)
        return await self._claim(claim, ask, self._server.begun)

    async def _claim(
        self,
        claim: Started,
        ask: Callable[[], bool | None],
        claims: Mapping[tuple[TaskRef, int], Started],
    ) -> bool:
        for tried in range(CLAIM_TRIES):
            won = await self._network.ask(self._node, ask)
            if won is not None:
                return won or (tried > 0 and await self._is_this(claim, claims))
        return False

    async def _is_this(self, claim: Started, claims: Mapping[tuple[TaskRef, int], Started]) -> bool:
        """Whether an earlier try, whose answer was lost, has won the claim."""
        find = partial(claims.get, (claim.ref, claim.fence))
        return await self._network.ask(self._node, find) == claim

    async def acknowledge(self, delivery: Delivery) -> None:
        stream = self._server.queue_of(delivery.order)
        self._network.tell(self._node, partial(stream.acknowledge, delivery.tag))

    async def report(self, report: Report) -> None:
        if isinstance(report, Heartbeat):
            self._beat(report)
        elif isinstance(report, Result):
            store = partial(self._server.add_result, report)
            while not await self._network.ask(self._node, store):
                await sleep(self._node.clock, RETRY_SECONDS)

    def _beat(self, beat: Heartbeat) -> None:
        self._wire.beat(self._node, beat, partial(self._confirmed, self._node.clock.now()))

    def _confirmed(self, sent: float, theirs: float) -> None:
        self._contact = max(self._contact, sent)
        self._ahead.heard(theirs, self._node.clock.now())

    async def controls(self) -> Sequence[Control]:
        await self._told_something.wait()
        self._told_something.clear()
        messages, self._controls = self._controls, []
        return messages

    def _told(self, message: Control) -> None:
        self._controls.append(message)
        self._told_something.set()

    def last_contact(self) -> float:
        return self._contact

    def clock_ahead(self) -> float | None:
        return self._ahead.seconds

    def emit(self, output: Output) -> None: ...

    async def told(self, order: Order) -> int:
        del order
        return 0

    async def close(self) -> None: ...
