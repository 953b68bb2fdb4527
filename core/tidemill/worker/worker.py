"""The worker: takes work as slots get free, claims it, carries it out, reports.

It knows the broker and executors, and no database. It says that it is there, and what
it holds, three times a lease; and it stops what it holds when it has not been in contact
for so long that somebody else might be given it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.model.messages import Claimed, Cordon, Heartbeat, Order, Result
from tidemill.model.placement import added, has_room
from tidemill.model.rows import TaskRef
from tidemill.ports import (
    Artifacts,
    Begun,
    Clock,
    Delivery,
    Executors,
    Records,
    Results,
    Secrets,
    Unreadable,
    WorkerEnd,
)
from tidemill.spi import Reason
from tidemill.waiting import AGAIN, end, sleep
from tidemill.worker.attempt import Attempt
from tidemill.worker.contact import HEARTBEATS, Contact
from tidemill.worker.recovery import Recovery, buried, lost_result

KNOWN_SECONDS = 0.05
"""Between two looks whether a scheduler has heard this worker for the first time."""

_Name = tuple[TaskRef, int]
"""An attempt: its task and fence."""


@dataclass(slots=True)
class Worker:
    """Carries out up to `slots` attempts at a time until it is cancelled. Steps that were
    placed here never take up more than its `resources` together; the others have a slot each."""

    name: str
    broker: WorkerEnd
    clock: Clock
    executors: Executors
    artifacts: Artifacts
    secrets: Secrets
    results: Results
    project: Path
    slots: int
    lease: float
    pool: str = "default"
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    records: Records | None = None
    """Where it writes down what it has at work, to take it back after a restart."""
    _draining: bool = False
    _cordoned: bool = False
    _closing: bool = False
    _contact: Contact = field(init=False)
    _taking: asyncio.Task[None] | None = None
    _pull: asyncio.Future[list[Delivery]] | None = None
    """What is being waited for out of the pool's queue."""
    _came: dict[_Name, Delivery] = field(default_factory=dict)
    """What has come and is not claimed: it waits for a slot, and for what it takes up."""
    _used: dict[_Name, Mapping[str, float]] = field(default_factory=dict)
    """What those take up that are held or being claimed."""
    _held: dict[_Name, Attempt] = field(default_factory=dict)
    _claiming: set[_Name] = field(default_factory=set)
    _slot_free: asyncio.Event = field(default_factory=asyncio.Event)
    _settling: list[asyncio.Event] = field(default_factory=list)
    """Steps of an earlier process of this worker that are not taken back yet."""

    def __post_init__(self) -> None:
        self._contact = Contact(self.broker, self.clock, self.executors, self.lease)

    async def run(self) -> None:
        """Works until it is cancelled, and then stops at once what it still holds; or, told
        to drain, until nothing is left in hand."""
        self._contact.extend()
        async with asyncio.TaskGroup() as group:
            self._take_back(group)
            others = [
                group.create_task(part)
                for part in (self._beat(), self._fence(), self._obey(group), self._take_own(group))
            ]
            self._taking = group.create_task(self._take_work(group))
            try:
                await asyncio.wait({self._taking})
                await self._let_end()
            finally:
                self._closing = True
                self._taking.cancel()
                await self._stop_all(0)
            await end(*others)

    def drain(self) -> None:
        """Takes no more work; `run` returns when all that is in hand has ended. What is not
        begun yet is left to others."""
        self._draining = True
        for attempt in self._held.values():
            attempt.give_back()
        if self._taking is not None and not self._taking.done():
            self._taking.cancel()
            # A library may swallow it: see `tidemill.waiting.end`.
            self.clock.call_at(self.clock.now() + AGAIN, self.drain)

    @property
    def in_hand(self) -> int:
        return len(self._held)

    @property
    def in_contact(self) -> bool:
        """Whether a scheduler has confirmed lately that it knows of this worker."""
        return self._contact.holds

    async def _let_end(self) -> None:
        if not self._draining:
            return
        await self._say(draining=True)
        while self._held or self._claiming:
            self._slot_free.clear()
            await self._slot_free.wait()

    async def _take_work(self, group: asyncio.TaskGroup) -> None:
        """Goes on taking while claims are under way: what is being claimed has its slot."""
        await self._known()
        while True:
            while (free := self._free_slots) <= 0 or self._cordoned:
                self._slot_free.clear()
                await self._slot_free.wait()
            await self._be_in_contact()
            self._receive(await self._out_of_the_pool(free), group)

    async def _take_own(self, group: asyncio.TaskGroup) -> None:
        """What was placed here comes whether there is a slot for it or not: it waits here for
        what it takes up, and nobody else has it meanwhile. Where it waits for too long, the
        offer is withdrawn, and claiming it fails."""
        await self._known()
        while True:
            self._receive(await self.broker.take_own(self.name), group)

    async def _known(self) -> None:
        """Until it was heard: who is cordoned is told so before that, and takes nothing. And
        until what an earlier process of this worker had at work is taken back."""
        since = self.clock.now()
        while not self._contact.is_confirmed_since(since):
            await sleep(self.clock, KNOWN_SECONDS)
        for settled in self._settling:
            await settled.wait()

    async def _out_of_the_pool(self, slots: int) -> list[Delivery]:
        """Waits for work; nothing, where that is broken off, since less can be taken now."""
        pull = self._pull = asyncio.ensure_future(self.broker.take(self.pool, slots))
        try:
            return await pull
        except asyncio.CancelledError:
            if self._pull is pull:
                raise
            return []
        finally:
            if self._pull is pull:
                self._pull = None

    def _break_off(self) -> None:
        pull, self._pull = self._pull, None
        if pull is not None:
            pull.cancel()

    def _receive(self, deliveries: Iterable[Delivery], group: asyncio.TaskGroup) -> None:
        for delivery in deliveries:
            name = (delivery.order.ref, delivery.order.fence)
            if name in self._held or name in self._claiming:  # it came twice
                group.create_task(self.broker.acknowledge(delivery))
            else:
                self._came[name] = delivery
        self._begin(group)

    def _begin(self, group: asyncio.TaskGroup) -> None:
        """Claims what there is room for; what was placed here first, since nobody else can
        have it."""
        if not self._came or self._cordoned or self._draining or self._closing:
            return
        for name, delivery in sorted(self._came.items(), key=lambda item: not item[1].order.target):
            order = delivery.order
            if self._free_slots > 0 and has_room(self.resources, self._in_use, order.resources):
                del self._came[name]
                self._claiming.add(name)
                self._used[name] = order.resources
                group.create_task(self._accept(delivery, self.clock.now(), group))
                if order.target:
                    self._break_off()  # there is a slot less for what is for all

    @property
    def _free_slots(self) -> int:
        return self.slots - len(self._held) - len(self._claiming)

    @property
    def _in_use(self) -> dict[str, float]:
        in_use: dict[str, float] = {}
        for each in self._used.values():
            in_use = added(in_use, each)
        return in_use

    def _is_free(self, name: _Name, group: asyncio.TaskGroup) -> None:
        """So are its slot, and what it took up."""
        self._used.pop(name, None)
        self._begin(group)
        self._slot_free.set()

    async def _accept(self, delivery: Delivery, taken_at: float, group: asyncio.TaskGroup) -> None:
        order = delivery.order
        name = (order.ref, order.fence)
        try:
            won = await self._claim(delivery, taken_at)
            self._claiming.discard(name)
            if won and self.clock.now() - taken_at > self._contact.patience:
                # It stood still in between, and may have been taken for dead.
                await self._decline(order)
            elif won:
                await self._carry_out(order)
        finally:
            self._claiming.discard(name)
            self._is_free(name, group)

    async def _claim(self, delivery: Delivery, taken_at: float) -> bool:
        """Claims first, and only then takes the message off the queue: whoever dies in
        between leaves a message whose claim fails, not a task without one. Without contact
        nothing is claimed, since it would be lost at once; the queue offers it again."""
        await self._be_in_contact()
        if self._draining or self._cordoned or self.clock.now() - taken_at > self._contact.patience:
            return False
        won = await self.broker.claim(delivery.order, self.name, self.clock.now())
        await self.broker.acknowledge(delivery)
        return won

    async def _be_in_contact(self) -> None:
        """Until there is contact with the schedulers, and the executors know of it."""
        while not self.in_contact and not self._draining:
            await sleep(self.clock, self.lease / HEARTBEATS / 5)
        self._contact.renew()

    async def _decline(self, order: Order) -> None:
        now = self.clock.now()
        detail = "its worker stood still after it had claimed it, and did not start it"
        reason = Reason.LOST.value
        await self.broker.report(
            Result(order.ref, order.fence, self.name, now, now, reason, detail=detail)
        )

    async def _carry_out(self, order: Order) -> None:
        attempt = Attempt(
            order,
            self.name,
            self.broker,
            self.clock,
            self.executors,
            self.artifacts,
            self.secrets,
            self.results,
            self.project,
            self._may_begin,
            self.records,
        )
        self._held[order.ref, order.fence] = attempt
        if self._draining:
            attempt.give_back()
        await self._see_through(attempt)

    async def _see_through(self, attempt: Attempt) -> None:
        """To its end, of which the schedulers are told."""
        try:
            result = await attempt.run()
            await self.broker.report(result)
            attempt.forget()
        finally:
            del self._held[attempt.order.ref, attempt.order.fence]

    def _may_begin(self) -> bool:
        """What was reserved begins only while it is believed to be ours."""
        if self.in_contact:
            self._contact.renew()
        return self.in_contact

    def _take_back(self, group: asyncio.TaskGroup) -> None:
        """What an earlier process of this worker had at work: held from the beginning on,
        so that the first heartbeat names it."""
        for found in self.records.found() if self.records is not None else ():
            if isinstance(found, Unreadable):
                settled = asyncio.Event()
                group.create_task(self._bury(found, settled))
            else:
                attempt = self._recovery(found)
                settled = attempt.settled
                name = (found.order.ref, found.order.fence)
                self._held[name] = attempt
                self._used[name] = found.order.resources
                group.create_task(self._see_back(attempt, name, group))
            self._settling.append(settled)

    async def _see_back(self, attempt: Recovery, name: _Name, group: asyncio.TaskGroup) -> None:
        try:
            await self._see_through(attempt)
        finally:
            self._is_free(name, group)

    def _recovery(self, found: Begun) -> Recovery:
        return Recovery(
            found.order,
            self.name,
            self.broker,
            self.clock,
            self.executors,
            self.artifacts,
            self.secrets,
            self.results,
            self.project,
            records=self.records,
            found=found,
            lease=self.lease,
        )

    async def _bury(self, found: Unreadable, settled: asyncio.Event) -> None:
        try:
            why = await buried(found, self.executors, self.clock, self.lease)
        finally:
            settled.set()
        await self.broker.report(lost_result(found, self.name, self.clock.now(), why))
        if self.records is not None:
            self.records.drop(found)

    async def _beat(self) -> None:
        """Three times a lease; sooner where no scheduler has confirmed the last one."""
        often, seldom = self.lease / HEARTBEATS / 5, self.lease / HEARTBEATS
        while True:
            sent = self.clock.now()
            await self._say(draining=self._draining)
            await sleep(self.clock, often)
            self._contact.extend()
            if self._contact.is_confirmed_since(sent):
                await sleep(self.clock, seldom - often)

    async def _say(self, *, draining: bool) -> None:
        held = tuple(Claimed(ref, fence) for ref, fence in self._held)
        reserved = tuple(a.order.claimed for a in self._held.values() if a.is_reserved)
        await self.broker.report(
            Heartbeat(
                self.name,
                self.pool,
                self.slots,
                held,
                self.region,
                self.labels,
                draining,
                self.resources,
                self._cordoned,
                reserved=reserved,
            )
        )

    async def _fence(self) -> None:
        """Gives up everything once there has been no contact for too long. Apart from
        `_beat`, whose report may itself be what gets no answer."""
        while True:
            left = self._contact.left
            if left <= 0:
                for attempt in list(self._held.values()):
                    await attempt.give_up()
            await sleep(self.clock, left if left > 0 else self.lease / HEARTBEATS)

    async def _obey(self, group: asyncio.TaskGroup) -> None:
        """Does what it is told. To stop what is not held comes too late."""
        while True:
            for message in await self.broker.controls():
                if isinstance(message, Cordon):
                    await self._be_cordoned(message, group)
                    continue
                attempt = self._held.get((message.ref, message.fence))
                if attempt is not None:
                    await attempt.stop(message.grace)

    async def _be_cordoned(self, message: Cordon, group: asyncio.TaskGroup) -> None:
        if message.worker != self.name or self._cordoned is not message.lifted:
            return
        self._cordoned = not message.lifted
        self._break_off()
        self._begin(group)
        self._slot_free.set()
        await self._say(draining=self._draining)

    async def _stop_all(self, grace: float) -> None:
        for attempt in list(self._held.values()):
            await attempt.stop(grace)
