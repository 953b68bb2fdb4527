"""The ends of the simulated broker that schedulers and workers hold. They do about trouble
what the JetStream adapter does: try again, a few times or for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from tidemill.model.messages import (
    Heartbeat,
    Order,
    Output,
    Report,
    Result,
    StopAttempt,
)
from tidemill.model.rows import TaskRef
from tidemill.ports import Delivery, Epoch, Inbox
from tidemill.testing.simulation.network import Network, Node, Parcel

PULL_SECONDS = 5.0
CLAIM_TRIES = 4
PUBLISH_TRIES = 2


class SimulatedSchedulerEnd:
    """See `tidemill.ports.SchedulerEnd`."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network, self._node = network, node
        self._epoch, self._since = network.generation, node.clock.now()
        self._reports: list[tuple[Report, Callable[[], None]]] = []
        self._arrived = asyncio.Event()
        network.listeners.append((node, self._heard))
        node.died.append(lambda: network.listeners.remove((node, self._heard)))
        node.tasks.append(asyncio.get_running_loop().create_task(self._feed()))

    async def publish(self, orders: Sequence[Order]) -> None:
        for order in orders:
            for _ in range(PUBLISH_TRIES):
                if await self._network.ask(self._node, partial(self._network.publish, order)):
                    break
                self._learn()

    async def void(self, ref: TaskRef, fence: int, pool: str, epoch: str) -> bool:
        del pool
        at = self._node.clock.now()
        claim = partial(self._network.claim, ref, fence, "", at, int(epoch))
        voided = await self._network.ask(self._node, claim)
        if voided is None:
            self._learn()
        return bool(voided)

    def known_epoch(self) -> Epoch:
        return Epoch(str(self._epoch), self._since)

    async def epoch(self) -> Epoch:
        network = self._network
        if await self._network.ask(self._node, lambda: str(network.generation)) is None:
            return Epoch(str(self._epoch), self._node.clock.now())
        self._learn()
        return self.known_epoch()

    def _learn(self) -> None:
        """Whoever gets no answer looks whether the server is another one."""
        if self._node.reachable and self._epoch != self._network.generation:
            self._epoch, self._since = self._network.generation, self._node.clock.now()

    async def stop(self, messages: Sequence[StopAttempt]) -> None:
        for message in messages:
            if self._node.reachable and message.worker in self._network.controls:
                node, told = self._network.controls[message.worker]
                self._network.send(node, partial(told, message))

    async def inbox(self, until: float | None) -> Inbox:
        if not self._reports:
            self._arrived.clear()
            timer = None
            if until is not None:
                timer = self._node.clock.call_at(until, self._arrived.set)
            try:
                await self._arrived.wait()
            finally:
                if timer is not None:
                    timer.cancel()
        found, self._reports = self._reports, []
        return Inbox([report for report, _ in found], [confirm for _, confirm in found])

    async def confirm(self, inbox: Inbox) -> None:
        if self._node.reachable:
            for confirm in inbox.tag:
                confirm()

    async def close(self) -> None: ...

    async def _feed(self) -> None:
        while True:
            came = self._network.reports_came
            parcels = await self._network.ask(self._node, self._network.pull_reports)
            for parcel in parcels or ():
                self._reports.append((parcel.content, partial(self._done, parcel)))
                self._arrived.set()
            if not parcels:
                await _either(self._network, self._node, came)

    def _done(self, parcel: Parcel[Report]) -> None:
        parcel.done = True

    def _heard(self, beat: Heartbeat, confirm: Callable[[], None]) -> None:
        self._reports.append((beat, confirm))
        self._arrived.set()


class SimulatedWorkerEnd:
    """See `tidemill.ports.WorkerEnd`."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network, self._node = network, node
        self._contact = node.clock.now()
        self._stops: list[StopAttempt] = []
        self._stopped = asyncio.Event()
        network.controls[node.name] = (node, self._told)

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        while True:
            came = self._network.work_came
            pull = partial(self._network.pull, pool, slots)
            if parcels := await self._network.ask(self._node, pull):
                return [Delivery(parcel.content, parcel) for parcel in parcels]
            await _either(self._network, self._node, came)

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        network, ref, fence = self._network, order.ref, order.fence
        for tried in range(CLAIM_TRIES):
            claim = partial(network.claim, ref, fence, worker, at, int(order.epoch))
            won = await network.ask(self._node, claim)
            if won:
                return True
            if won is False:
                if not tried:
                    return False
                holder = await network.ask(self._node, partial(network.claims.get, (ref, fence)))
                return holder == (worker, at)
        return False

    async def acknowledge(self, delivery: Delivery) -> None:
        if self._node.reachable:
            delivery.tag.done = True

    async def report(self, report: Report) -> None:
        if isinstance(report, Heartbeat):
            self._beat(report)
        elif isinstance(report, Result):
            while not await self._network.ask(self._node, partial(self._network.add, report)):
                pass

    def _beat(self, beat: Heartbeat) -> None:
        sent = self._node.clock.now()

        def confirmed() -> None:
            self._contact = max(self._contact, sent)

        if self._node.reachable:
            self._network.beat(self._node, beat, confirmed)

    async def stops(self) -> Sequence[StopAttempt]:
        await self._stopped.wait()
        self._stopped.clear()
        messages, self._stops = self._stops, []
        return messages

    def _told(self, message: StopAttempt) -> None:
        self._stops.append(message)
        self._stopped.set()

    def last_contact(self) -> float:
        return self._contact

    def emit(self, output: Output) -> None: ...

    async def close(self) -> None: ...


async def _either(network: Network, node: Node, came: asyncio.Event) -> None:
    """Until something has come, or for `PULL_SECONDS`."""
    waiting = asyncio.ensure_future(came.wait())
    try:
        resting = asyncio.ensure_future(network.pass_time(node, PULL_SECONDS))
        await asyncio.wait({waiting, resting}, return_when=asyncio.FIRST_COMPLETED)
        resting.cancel()
        await network.pass_time(node, network.delay())
    finally:
        waiting.cancel()
