"""The scheduler: what is reported is booked, what follows from it is worked out, and
what is due is offered, all in one transaction; then the broker is told.

It sleeps until the next report or the next timer, whichever is first. It holds nothing
that the database does not: plans, closed stages' outputs and workers' capacities are
caches of what can be read or heard again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tidemill.engine.booking import GRACE, Booking
from tidemill.engine.census import News, renew
from tidemill.engine.children import Children
from tidemill.engine.dispatch import Dispatch
from tidemill.engine.firing import Firing
from tidemill.engine.foresight import foresee
from tidemill.engine.ledger import Ledger
from tidemill.engine.mirror import Mirror
from tidemill.engine.notices import note_events
from tidemill.engine.orders import POOL
from tidemill.engine.outage import Outage
from tidemill.engine.pace import Pace
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.roster import Roster
from tidemill.engine.scopes import Outputs
from tidemill.model.messages import (
    Heartbeat,
    Nudge,
    Order,
    Report,
    Result,
    Started,
    StopAttempt,
    Voided,
)
from tidemill.model.rows import RunRow, StageRef, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent
from tidemill.ports import (
    Clock,
    Epoch,
    Inbox,
    Lease,
    Policy,
    SchedulerEnd,
    StaleError,
    Store,
    Transaction,
    Turn,
    UnavailableError,
)

LEASE = 30.0
"""Seconds for which a dispatch, a claim or a heartbeat is believed."""

HEARTBEATS = 3
"""Heartbeats in a lease."""


LINGER = 0.02
"""Seconds that news of starts may wait for more."""

GATHER = 0.01
"""Seconds that results may wait for more while workers have work left to take, so that
nobody waits for what follows from them."""

SIGNALS = 500
"""Signals that are heeded in one turn."""

SOON = 0.1
"""Seconds until one looks again at what another scheduler had in hand."""

UNJUDGED = 1.0
"""The same while leases are not judged: those that ended hide what is due next."""

TRIES = 5
"""How often a turn is tried that meets what somebody else has written."""


class Watcher(Protocol):
    """Told what a committed transaction changed."""

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None: ...


@dataclass(slots=True)
class _Todo:
    """What a transaction leaves to be done once it is committed."""

    orders: list[Order] = field(default_factory=list)
    stops: list[StopAttempt] = field(default_factory=list)
    voids: list[TaskRow] = field(default_factory=list)
    runs: list[RunRow] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    next_due: float | None = None
    must_last: bool = False
    """Whether it must outlast a loss of power before anything follows from it."""


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
    ) -> None:
        self._policy = policy
        self._store = store
        self._broker = broker
        self._clock = clock
        self._watcher = watcher
        self._run = run
        self._lease = lease
        self.mirror = None if run is None else Mirror(run)
        self.plans = Plans()
        self._outputs = Outputs()
        self._roster = Roster(lease)
        self._next_due: float | None = 0.0  # whatever the last one here has left is due
        self._judge_from = 0.0
        self._epoch = Epoch("", clock.now())
        self._pace = Pace()
        self._publishing: asyncio.Future[None] | None = None
        self._offered = 0
        """Orders that no worker has taken yet, as far as was heard: a guess that only
        decides how long reports are gathered."""
        self.grace = GRACE
        """Seconds that a cancelled step is given to end by itself."""
        self._turn_seconds = 0.0
        """What a turn takes, as a moving mean: so long no slot that gets free is filled."""
        self.outage = Outage(clock)
        self.turns = 0
        """Turns since the start: whoever asks whether it is alive sees this grow."""

    async def drive(self) -> None:
        """Works until the run has ended (for ever, if it drives all)."""
        if self._run is None:  # who is at work has yet to be heard
            self._judge_from = self._clock.now() + self._lease
        asked_before = () if self._run is None else (Nudge(self._run),)
        ended = await self._tick(asked_before)
        while not ended:
            inboxes = [await self._broker.inbox(self._next_due)]
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
                    offered -= 1
                elif isinstance(report, Result):
                    results = True
                else:
                    return 0
        if results:
            return GATHER if offered > self._taken_meanwhile(GATHER) else 0
        return LINGER if offered < self._offered else 0

    def _taken_meanwhile(self, waiting: float) -> float:
        """Orders that workers take while reports wait for so many seconds, and then for
        their turn."""
        return (waiting + self._turn_seconds) * self._pace.rate(self._clock.now())

    def _notice_absence(self) -> None:
        """Who overslept (a suspended machine, SIGSTOP) has missed heartbeats too: no
        lease is judged before every worker has had the time to be heard again."""
        late = self._clock.now() - (self._next_due or self._clock.now())
        if late > self._lease / HEARTBEATS:
            self._judge_from = self._clock.now() + self._lease

    async def _tick(self, reports: Sequence[Report]) -> bool:
        """One transaction and what follows it. True if the driven run has ended."""
        begun = self._clock.now()
        if self._next_due is not None and begun >= self._next_due:
            self._epoch = await self._broker.epoch()
        else:
            self._epoch = self._broker.known_epoch()
        todo = await self._persist(reports)
        self._turn_seconds += (self._clock.now() - begun - self._turn_seconds) / 5
        self.plans.kept()
        self._next_due = todo.next_due
        self._offered += len(todo.orders)
        self._offered -= sum(1 for report in reports if isinstance(report, Started | Voided))
        await self._publish(todo.orders)
        for task in todo.voids:
            await self._broker.void(task.ref, task.fence, task.pool or POOL, task.epoch)
        if todo.stops:
            await self._broker.stop(todo.stops)
        if todo.runs or todo.tasks:
            self._watcher.changed(todo.runs, todo.tasks)
        for run in todo.runs:
            if run.state.ended:
                self.plans.forget(run.number)
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

    async def _persist(self, reports: Sequence[Report]) -> _Todo:
        """A turn, however long the database can do nothing: what was reported stays
        unconfirmed until then, and comes again if this process dies."""
        todo: _Todo | None = None
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
                self._judge_from = self._clock.now() + self._lease
            else:
                self.outage.over()
                return todo

    async def _stored(self, reports: Sequence[Report]) -> _Todo:
        beats = [report for report in reports if isinstance(report, Heartbeat)]
        news = await self._census(beats) if beats and self._run is None else News()
        todo = await self._transact([*reports, *news.started])
        todo.stops += news.stops
        return todo

    async def _census(self, beats: Sequence[Heartbeat]) -> News:
        """Apart from the turn, so that it holds no family while it moves leases of many."""
        now = self._clock.now()
        return await self._store.transact(lambda tx: renew(tx, beats, now, self._lease))

    async def _transact(self, reports: Sequence[Report]) -> _Todo:
        for _ in range(TRIES - 1):
            try:
                return await self._store.transact(lambda tx: self._turn(tx, reports))
            except StaleError:
                if self.mirror is not None:
                    self.mirror.forget()  # somebody else wrote: a wish to cancel
        return await self._store.transact(lambda tx: self._turn(tx, reports))

    def _turn(self, tx: Transaction, reports: Sequence[Report]) -> _Todo:
        if self.mirror is None:
            told = any(isinstance(report, Nudge) for report in reports)
            look = told or self._next_due is None or self._clock.now() >= self._next_due
            signals = tx.take_signals(SIGNALS) if look else {}
            wishes = [number for number, cancel in signals.items() if cancel]
            nudges = [Nudge(number) for number in signals]
            return self._work(tx, [*reports, *nudges], tx, wishes)
        nudged = any(isinstance(report, Nudge) for report in reports)
        todo = self._work(self.mirror.over(tx, reread_runs=nudged), reports)
        self.mirror.write()
        return todo

    def _work(
        self,
        tx: Turn,
        reports: Sequence[Report],
        every: Transaction | None = None,
        wishes: Sequence[int] = (),
    ) -> _Todo:
        """The turn. `every` is there where all runs are driven: then schedules fire too.
        `wishes` are runs that are to be cancelled."""
        self.plans.begin()
        ledger = Ledger(self._clock.now(), self._lease)
        booking = Booking(ledger, self.plans.of)
        todo = _Todo(stops=booking.stops, voids=booking.voids)
        children = Children(Progress(ledger, self.plans, self._outputs, tx), booking)
        active = self._take_in_hand(tx, ledger, reports)
        due = self._due(tx, ledger)
        self._load(tx, ledger, reports, due)
        self._start_runs(ledger)
        self._wish(ledger, wishes)
        renewed = self._book(tx, children, reports)
        self._book_due(tx, children, [t for t in due if not self._renewed(t, renewed)])
        children.settle()
        firing = None if every is None else Firing(every, children)
        if firing is not None and self._timer_passed(ledger):
            firing.fire(ledger.now)
        dispatch = self._dispatch(children, active, pooled=every is not None)
        note_events(ledger, self.plans, tx)
        ledger.flush(tx)
        todo.orders = dispatch.orders
        todo.runs = list(ledger.changed_runs.values())
        todo.tasks = list(ledger.changed.values())
        more = dispatch.more or (firing is not None and firing.more)
        nudged = any(isinstance(report, Nudge) for report in reports)
        known = None if nudged and every is not None else self._next_due
        todo.next_due = ledger.now if more else self._timer(tx, ledger, known)
        todo.must_last = dispatch.at_most_once or any(run.state.ended for run in todo.runs)
        return todo

    def _dispatch(
        self, children: Children, active: Mapping[StageRef, int], *, pooled: bool
    ) -> Dispatch:
        ledger = children.ledger
        dispatch = Dispatch(
            children,
            self._capacity(ledger.now),
            pooled=pooled,
            epoch=self._epoch.name,
            policy=self._policy,
        )
        dispatch.fill(active)
        while ledger.ended or ledger.ended_children:  # what could not be begun has ended
            children.settle()
            dispatch.fill()
        return dispatch

    # reading

    def _take_in_hand(
        self, tx: Turn, ledger: Ledger, reports: Sequence[Report]
    ) -> Mapping[StageRef, int]:
        """Locks what was reported on, before anything is read: who waits for a family
        must hold none, so that no two wait for each other. What is at work by then."""
        foreseen = foresee(reports, self.plans)
        runs = {ref.run for ref in foreseen.tasks}
        runs |= {report.run for report in reports if isinstance(report, Nudge)}
        hand = tx.take(runs, *foreseen)
        ledger.add_runs(hand.heads)
        ledger.add_tasks(hand.tasks)
        ledger.add_stages(hand.stages)
        return hand.active

    def _load(
        self, tx: Turn, ledger: Ledger, reports: Sequence[Report], due: list[TaskRow]
    ) -> None:
        refs = dict.fromkeys(
            report.ref for report in reports if isinstance(report, Started | Voided | Result)
        )
        ledger.add_tasks(due)
        runs = {ref.run for ref in refs} | {task.run for task in due}
        if self._run is not None:
            runs.add(self._run)
        for report in reports:
            if isinstance(report, Nudge):
                ledger.add_runs(tx.family(report.run))
        missing = ledger.missing_runs(runs)
        if missing:
            ledger.add_runs(tx.runs(missing))
        if ledger.runs():
            self.plans.refresh(tx, ledger.runs())
        unread = [ref for ref in refs if ledger.task(ref) is None]
        if unread:
            ledger.add_tasks(tx.tasks(unread))

    def _timer_passed(self, ledger: Ledger) -> bool:
        return self._next_due is not None and ledger.now >= self._next_due

    def _due(self, tx: Turn, ledger: Ledger) -> list[TaskRow]:
        if not self._timer_passed(ledger) or ledger.now < self._judge_from:
            return []
        return tx.due(ledger.now)

    def _timer(self, tx: Turn, ledger: Ledger, known: float | None) -> float | None:
        """When to wake at the latest. Asks the database only when the known time has
        passed, or none is known; until then what changed here can only bring it nearer."""
        if known is None or known <= ledger.now:
            known = tx.next_due(ledger.now)
            if known is not None and known <= ledger.now:  # others have it in hand, or nobody
                known = ledger.now + (SOON if ledger.now >= self._judge_from else UNJUDGED)
        timers = [row.run_at for row in ledger.changed.values()]
        future = [at for at in timers if at is not None and at > ledger.now]
        future += [self._judge_from] if self._judge_from > ledger.now else []
        if self._run is None:  # others set timers too, and may die before them
            future.append(ledger.now + self._lease / HEARTBEATS)
        return min([*future, *([known] if known is not None else [])], default=None)

    # booking

    def _start_runs(self, ledger: Ledger) -> None:
        for run in ledger.runs():
            # What has to wait for its turn starts when it is offered.
            if run.state is RunState.PENDING and not run.queued:
                ledger.move_run(run.number, RunEvent.START, started_at=ledger.now)

    @staticmethod
    def _wish(ledger: Ledger, wishes: Sequence[int]) -> None:
        """Cancels runs that others said are to be cancelled; what follows from it is
        worked out where their signals are heeded."""
        for number in wishes:
            if ledger.run(number).state in {RunState.PENDING, RunState.RUNNING}:
                ledger.move_run(number, RunEvent.CANCEL)

    def _book(
        self, tx: Turn, children: Children, reports: Sequence[Report]
    ) -> set[tuple[TaskRef, int]]:
        """Books the reports; the tasks and fences that workers say they hold."""
        ledger, booking = children.ledger, children.booking
        leases: list[Lease] = []
        for report in reports:
            match report:
                case Started():
                    booking.started(report)
                case Voided():
                    booking.voided(report)
                case Result():
                    self._pace.count(ledger.now)
                    booking.result(report)
                case Heartbeat():
                    self._roster.heard(report, ledger.now)
                    if self.mirror is not None:
                        leases += [(c.ref, c.fence, report.worker) for c in report.held]
                case Nudge():
                    for run in tx.family(report.run):
                        self._look(tx, children, run.number)
        if leases:
            tx.renew(leases, ledger.now + self._lease)
        return {(ref, fence) for ref, fence, _ in leases}

    @staticmethod
    def _renewed(task: TaskRow, claims: set[tuple[TaskRef, int]]) -> bool:
        """Only a running task has a lease; an offer's time is up whoever names it."""
        return task.state is TaskState.RUNNING and (task.ref, task.fence) in claims

    def _look(self, tx: Turn, children: Children, run: int) -> None:
        """Somebody wrote to the database: they wish to cancel, or decided on a task."""
        if children.ledger.run(run).state is RunState.CANCELLING:
            tasks = children.ledger.newest(tx.open_tasks(run))
            children.booking.cancel(tasks, self.grace)
            children.cancel(tasks, self.grace)
        else:
            self._decide(tx, children.ledger, children.booking, run)

    @staticmethod
    def _decide(tx: Turn, ledger: Ledger, booking: Booking, run: int) -> None:
        decisions = tx.decisions(run)
        if decisions:
            ledger.add_tasks(tx.tasks(decision.ref for decision in decisions))
        for decision in decisions:
            booking.decided(decision)

    def _book_due(self, tx: Turn, children: Children, due: Sequence[TaskRow]) -> None:
        """Leases that ended. An offer that nobody took is withdrawn before it is made
        again: two offers of one task never stand side by side. Who decided in time is
        heard also where the news of it is still on its way."""
        ledger, booking = children.ledger, children.booking
        for run in {task.run for task in due if task.state is TaskState.AWAITING_APPROVAL}:
            self._decide(tx, ledger, booking, run)
        for before in due:
            task = ledger.task(before.ref)
            if task is None or task.run_at is None or task.run_at > ledger.now:
                continue  # something was heard of it in this very transaction
            if task.state is TaskState.RUNNING:
                booking.lost(task, "its worker has not been heard of for a lease")
            elif task.state is TaskState.QUEUED:
                self._withdraw(booking, task)
            elif task.state is TaskState.AWAITING_APPROVAL:
                booking.undecided(task)
            elif task.state is TaskState.DELEGATED:
                ledger.push_timer(task)  # it ends when its run has been stopped
                children.cancel([task], self.grace)

    def _withdraw(self, booking: Booking, task: TaskRow) -> None:
        """Nobody has been heard to have begun with an offer. Where the broker has lost what
        it knew of it, a lease must pass in which whoever has begun is heard of, or gives
        up."""
        ledger, epoch = booking.ledger, self._epoch
        if task.epoch == epoch.name:
            ledger.push_timer(task)
            booking.voids.append(task)
        elif ledger.now - epoch.since >= self._lease:
            booking.forgotten(task)
        else:
            ledger.push_timer(task)

    def _capacity(self, now: float) -> dict[str, int]:
        capacity = self._roster.capacity(now, 2 * self._taken_meanwhile(GATHER))
        return capacity if self._run is None else {POOL: sum(capacity.values())}
