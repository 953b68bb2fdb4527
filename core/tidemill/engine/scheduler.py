"""The scheduler: what is reported is booked, what follows from it is worked out, and
what is due is offered, all in one transaction; then the broker is told.

It sleeps until the next report or the next timer, whichever is first. It holds nothing
that the database does not: plans, closed stages' outputs and workers' capacities are
caches of what can be read or heard again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from tidemill.engine.census import News, renew
from tidemill.engine.orders import POOL
from tidemill.engine.outage import Outage
from tidemill.engine.placing import REGION_WAIT
from tidemill.engine.turns import GATHER, HEARTBEATS, Todo, Turns
from tidemill.model.messages import (
    Heartbeat,
    Nudge,
    Order,
    Report,
    Result,
    Started,
    Voided,
)
from tidemill.model.pools import Pool
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.ports import (
    Clock,
    Inbox,
    Policy,
    SchedulerEnd,
    StaleError,
    Store,
    UnavailableError,
)

LEASE = 30.0
"""Seconds for which a dispatch, a claim or a heartbeat is believed."""


LINGER = 0.02
"""Seconds that news of starts may wait for more."""


TRIES = 5
"""How often a turn is tried that meets what somebody else has written."""


class Watcher(Protocol):
    """Told what a committed transaction changed."""

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None: ...

    def late(self, found: Sequence[LateRow]) -> None:
        """Deadlines that were missed, or will be."""

    def told(self) -> None:
        """There are notices to deliver that there were not."""


class Scheduler:
    """Drives one run (`run`), with those below it, that nobody else drives; or all runs of
    the database."""

    def __init__(
        self,
        store: Store,
        broker: SchedulerEnd,
        clock: Clock,
        watcher: Watcher,
        *,
        run: int | None = None,
        lease: float = LEASE,
        policy: Policy | None = None,
        region_wait: float = REGION_WAIT,
        pools: Mapping[str, Pool] | None = None,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._watcher = watcher
        self._run = run
        self._lease = lease
        self.work = Turns(
            clock, run=run, lease=lease, policy=policy, pools=pools, region_wait=region_wait
        )
        """What is done in a turn, and what is remembered between turns."""
        self._publishing: asyncio.Future[None] | None = None
        self._offered = 0
        """Orders that no worker has taken yet, as far as was heard: a guess that only
        decides how long reports are gathered."""
        self.outage = Outage(clock)
        self.turns = 0
        """Turns since the start: whoever asks whether it is alive sees this grow."""

    async def drive(self) -> None:
        """Works until the run has ended (for ever, if it drives all)."""
        if self._run is None:  # who is at work has yet to be heard
            self.work.judge_from = self._clock.now() + self._lease
        asked_before = () if self._run is None else (Nudge(self._run),)
        ended = await self._tick(asked_before)
        while not ended:
            inboxes = [await self._broker.inbox(self.work.next_due)]
            self._notice_absence()
            since = self._clock.now()
            while (until := since + self._patience(inboxes)) > self._clock.now():
                inboxes.append(await self._broker.inbox(until))
            ended = await self._tick([report for inbox in inboxes for report in inbox.reports])
            self.turns += 1
            for inbox in inboxes:
                await self._broker.confirm(inbox)

    def _patience(self, inboxes: Sequence[Inbox]) -> float:
        """Seconds that these reports may wait for more to share their turn with: nothing
        follows from a start, and a result is in no hurry while workers have work left."""
        offered = self._offered
        results = False
        for inbox in inboxes:
            for report in inbox.reports:
                if isinstance(report, Started):
                    offered -= not report.reserved
                elif isinstance(report, Result):
                    results = True
                else:
                    return 0
        if results:
            return GATHER if offered > self.work.taken_meanwhile(GATHER) else 0
        return LINGER if offered < self._offered else 0

    def _notice_absence(self) -> None:
        """Who overslept (a suspended machine, SIGSTOP) has missed heartbeats too: no
        lease is judged before every worker has had the time to be heard again."""
        late = self._clock.now() - (self.work.next_due or self._clock.now())
        if late > self._lease / HEARTBEATS:
            self.work.judge_from = self._clock.now() + self._lease

    async def _tick(self, reports: Sequence[Report]) -> bool:
        """One transaction and what follows it. True if the driven run has ended."""
        begun = self._clock.now()
        if self.work.next_due is not None and begun >= self.work.next_due:
            self.work.epoch = await self._broker.epoch()
        else:
            self.work.epoch = self._broker.known_epoch()
        todo = await self._persist(reports)
        self.work.turn_seconds += (self._clock.now() - begun - self.work.turn_seconds) / 5
        self.work.kept()
        self.work.next_due = todo.next_due
        self._offered += len(todo.orders)
        self._offered -= sum(
            isinstance(report, Voided) or (isinstance(report, Started) and not report.reserved)
            for report in reports
        )
        await self._publish(todo.orders)
        for task in todo.voids:
            reserved = task.state is TaskState.RESERVED
            await self._broker.void(
                task.ref, task.fence, task.pool or POOL, task.epoch, reserved=reserved
            )
        if todo.stops or todo.cordons:
            await self._broker.control([*todo.stops, *todo.cordons])
        if todo.runs or todo.tasks:
            self._watcher.changed(todo.runs, todo.tasks)
        if todo.late:
            self._watcher.late(todo.late)
        if todo.told:
            self._watcher.told()
        for run in todo.runs:
            if run.state.ended:
                self.work.forget(run.number)
        return any(run.number == self._run and run.state.ended for run in todo.runs)

    async def _publish(self, orders: Sequence[Order]) -> None:
        """Offers them; where all runs are driven, beside the next turn: whoever dies before
        it is done leaves offers whose lease ends, as if a moment earlier."""
        if self._publishing is not None:
            await self._publishing
            self._publishing = None
        if self._run is not None:
            await self._broker.publish(orders)
        elif orders:
            self._publishing = asyncio.ensure_future(self._broker.publish(orders))

    async def _persist(self, reports: Sequence[Report]) -> Todo:
        """A turn, however long the database can do nothing: what was reported stays
        unconfirmed until then, and comes again if this process dies."""
        todo: Todo | None = None
        while True:
            try:
                todo = todo or await self._stored(reports)
                if todo.must_last:
                    await self._store.sync()
            except UnavailableError as error:
                if self._run is not None:
                    raise
                self.turns += 1
                await self.outage.sit_out(error)
                self.work.judge_from = self._clock.now() + self._lease
            else:
                self.outage.over()
                return todo

    async def _stored(self, reports: Sequence[Report]) -> Todo:
        beats = [report for report in reports if isinstance(report, Heartbeat)]
        news = await self._census(beats) if beats and self._run is None else News()
        todo = await self._transact([*reports, *news.started])
        todo.stops += news.stops
        todo.cordons += news.cordons
        return todo

    async def _census(self, beats: Sequence[Heartbeat]) -> News:
        """Apart from the turn, so that it holds no family while it moves leases of many."""
        now = self._clock.now()
        return await self._store.transact(lambda tx: renew(tx, beats, now, self._lease))

    async def _transact(self, reports: Sequence[Report]) -> Todo:
        for _ in range(TRIES - 1):
            try:
                return await self._store.transact(lambda tx: self.work.take(tx, reports))
            except StaleError:
                if self.work.mirror is not None:
                    self.work.mirror.forget()  # somebody else wrote: a wish to cancel
        return await self._store.transact(lambda tx: self.work.take(tx, reports))
