"""A turn of a scheduler: what is reported is booked, what follows from it is worked out, and
what is due is chosen to be offered, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.engine.alarms import AT_ONCE, Alarms
from tidemill.engine.all_runs import AllRuns
from tidemill.engine.booking import GRACE, Booking
from tidemill.engine.children import Children
from tidemill.engine.deadlines import has_deadlines, hush, know_stopping
from tidemill.engine.dispatch import Dispatch
from tidemill.engine.foresight import foresee
from tidemill.engine.ledger import Ledger
from tidemill.engine.mirror import Mirror
from tidemill.engine.notices import note_events
from tidemill.engine.orders import POOL
from tidemill.engine.overdue import Overdue, decide
from tidemill.engine.pace import Pace
from tidemill.engine.placing import REGION_WAIT, Places, Placing
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.reserving import is_ahead, started_at
from tidemill.engine.roster import Capacity, Roster
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing, is_gated
from tidemill.model.messages import (
    Cordon,
    Heartbeat,
    Nudge,
    Order,
    Report,
    Result,
    Started,
    StopAttempt,
    Voided,
)
from tidemill.model.pools import Pool
from tidemill.model.rows import AlarmRow, AtWork, LateRow, RunRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.transitions import RunEvent
from tidemill.ports import (
    Clock,
    Epoch,
    Lease,
    Policy,
    Transaction,
    Turn,
)

HEARTBEATS = 3
"""Heartbeats in a lease."""

GATHER = 0.01
"""Seconds that results may wait for more while workers have work left to take, so that
nobody waits for what follows from them."""

SIGNALS = 500
"""Signals that are heeded in one turn."""

SOON = 0.1
"""Seconds until one looks again at what another scheduler had in hand."""

UNJUDGED = 1.0
"""The same while leases are not judged: those that ended hide what is due next."""

MOST_PLANS = 10_000
"""Plans that are kept between turns, or twice as many as runs are at work."""


@dataclass(slots=True)
class Todo:
    """What a transaction leaves to be done once it is committed."""

    orders: list[Order] = field(default_factory=list)
    stops: list[StopAttempt] = field(default_factory=list)
    voids: list[TaskRow] = field(default_factory=list)
    cordons: list[Cordon] = field(default_factory=list)
    runs: list[RunRow] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    late: list[LateRow] = field(default_factory=list)
    told: bool = False
    """Whether there is more that people are to be told."""
    next_due: float | None = None
    must_last: bool = False
    """Whether it must outlast a loss of power before anything follows from it."""


class Turns:
    """Takes a scheduler's turns, and remembers between them what the database could tell
    again, at a cost. `next_due` is the first timer that is known of; no lease is judged
    before `judge_from`; `epoch` is the broker's; `turn_seconds` a moving mean of what a
    turn takes, as long as no slot that gets free is filled."""

    def __init__(
        self,
        clock: Clock,
        *,
        run: int | None,
        lease: float,
        policy: Policy | None,
        region_wait: float = REGION_WAIT,
        pools: Mapping[str, Pool] | None = None,
    ) -> None:
        self._clock = clock
        self._run = run
        self._lease = lease
        self._policy = policy
        self.mirror = None if run is None else Mirror(run)
        self.plans = Plans()
        self._outputs = Outputs()
        self._roster = Roster(lease)
        self.placing = Placing(self._roster, region_wait)
        self.standing = Standing(pools)
        self.pace = Pace()
        self.next_due: float | None = 0.0  # whatever the last one here has left is due
        self.judge_from = 0.0
        self.epoch = Epoch("", clock.now())
        self.grace = GRACE
        """Seconds that a cancelled step is given to end by itself."""
        self.turn_seconds = 0.0
        self.most_plans = MOST_PLANS

    def taken_meanwhile(self, waiting: float) -> float:
        """Orders that workers take while reports wait for so many seconds, and then for
        their turn."""
        return (waiting + self.turn_seconds) * self.pace.rate(self._clock.now())

    def take(self, tx: Transaction, reports: Sequence[Report]) -> Todo:
        if self.mirror is None:
            told = any(isinstance(report, Nudge) for report in reports)
            look = told or self.next_due is None or self._clock.now() >= self.next_due
            signals = tx.take_signals(SIGNALS) if look else {}
            wishes = [number for number, cancel in signals.items() if cancel]
            nudges = [Nudge(number) for number in signals]
            return self._work(tx, [*reports, *nudges], tx, wishes, arrived=0 in signals)
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
        *,
        arrived: bool = False,
    ) -> Todo:
        """The turn. `every` is there where all runs are driven: then schedules and triggers
        fire too. `wishes` are runs that are to be cancelled. `arrived` says that there may be
        events that nobody has taken."""
        self.plans.begin()
        ledger = Ledger(self._clock.now(), self._lease)
        booking = Booking(ledger, self.plans.of)
        todo = Todo(stops=booking.stops, voids=booking.voids)
        progress = Progress(ledger, self.plans, self._outputs, tx, self.standing)
        children = Children(progress, booking)
        active = self._take_in_hand(tx, ledger, reports)
        due = self._due(tx, ledger)
        alarms = Alarms(tx, children, self._lease, self.grace)
        rings = self._due_alarms(tx, ledger)
        self._load(tx, ledger, reports, due)
        if rings:
            alarms.load(rings)
        self._start_runs(ledger)
        self._wish(ledger, wishes)
        renewed = self._book(tx, children, reports)
        overdue = Overdue(tx, children, self.epoch, self._lease, self.grace)
        overdue.book([t for t in due if not self._renewed(t, renewed)])
        capacity = self._capacity(ledger.now)
        self.standing.slots = {pool: known.slots for pool, known in capacity.items()}
        children.settle()
        if rings:
            alarms.ring(rings)
            children.settle()
        all_runs = None
        if every is not None:
            passed = self._timer_passed(ledger)
            all_runs = AllRuns(every, children)
            all_runs.begin(reports, arrived=arrived, timer_passed=passed)
            self.placing.changed |= passed
            todo.cordons = self._cordons(every, reports)
        dispatch = self._dispatch(children, active, capacity, every)
        if all_runs is not None:
            all_runs.follow()
        self._write(tx, ledger, booking)
        more = dispatch.more or len(rings) == AT_ONCE
        more = more or (all_runs is not None and all_runs.more)
        nudged = any(isinstance(report, Nudge) for report in reports)
        known = None if nudged and every is not None else self.next_due
        todo.next_due = ledger.now if more else self._timer(tx, ledger, known)
        self._tell(todo, ledger, dispatch)
        return todo

    def _write(self, tx: Turn, ledger: Ledger, booking: Booking) -> None:
        self._learn(tx, ledger, booking)
        hush(ledger, self.plans, tx)
        note_events(ledger, self.plans, tx)
        ledger.flush(tx)

    @staticmethod
    def _tell(todo: Todo, ledger: Ledger, dispatch: Dispatch) -> None:
        todo.orders = dispatch.orders
        todo.runs = list(ledger.changed_runs.values())
        todo.tasks = list(ledger.changed.values())
        todo.late = ledger.late
        todo.told = ledger.told
        todo.must_last = dispatch.at_most_once or any(run.state.ended for run in todo.runs)

    def _dispatch(
        self,
        children: Children,
        active: AtWork,
        capacity: Mapping[str, Capacity],
        every: Transaction | None,
    ) -> Dispatch:
        ledger, places = children.ledger, None
        if every is not None:
            sure = ledger.now >= self.judge_from
            places = Places(self.placing, every, ledger, self.plans, sure)
        dispatch = Dispatch(
            children,
            capacity,
            pooled=every is not None,
            epoch=self.epoch.name,
            policy=self._policy,
            places=places,
        )
        dispatch.fill(active)
        while ledger.ended or ledger.ended_children:  # what could not be begun has ended
            children.settle()
            dispatch.fill()
        return dispatch

    def _cordons(self, tx: Transaction, reports: Sequence[Report]) -> list[Cordon]:
        """What workers are told, where somebody has changed which are cordoned: see
        `tidemill.engine.census` for those that this does not reach."""
        if Nudge(0) not in reports:
            return []
        self.placing.changed = True
        wanted = {row.worker for row in tx.cordons()}
        there = {worker.name for worker in self._roster.workers(self._clock.now())}
        differ = (wanted ^ self._roster.cordoned) & there
        return [Cordon(name, lifted=name not in wanted) for name in sorted(differ)]

    # reading

    def _take_in_hand(self, tx: Turn, ledger: Ledger, reports: Sequence[Report]) -> AtWork:
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
        know_stopping(ledger, self.plans, tx, [*refs, *(task.ref for task in due)])

    def _timer_passed(self, ledger: Ledger) -> bool:
        return self.next_due is not None and ledger.now >= self.next_due

    def _due(self, tx: Turn, ledger: Ledger) -> list[TaskRow]:
        if not self._timer_passed(ledger) or ledger.now < self.judge_from:
            return []
        return tx.due(ledger.now)

    def _due_alarms(self, tx: Turn, ledger: Ledger) -> list[AlarmRow]:
        """A deadline that passed while nobody was there is judged when all who are at work
        have had the time to be heard: it may have been kept."""
        if not self._timer_passed(ledger) or ledger.now < self.judge_from:
            return []
        return tx.due_alarms(ledger.now, AT_ONCE)

    def _sets_alarms(self, ledger: Ledger) -> bool:
        """Whether alarms were set of which nothing is known here, or that are due."""
        made = (self.plans.of(number).definition for number in ledger.made)
        return any(at <= ledger.now for at in ledger.alarm_times) or any(map(has_deadlines, made))

    def _timer(self, tx: Turn, ledger: Ledger, known: float | None) -> float | None:
        """When to wake at the latest. Asks the database only when the known time has
        passed, or none is known; until then what changed here can only bring it nearer."""
        if known is None or known <= ledger.now or self._sets_alarms(ledger):
            known = tx.next_due(ledger.now)
            if known is not None and known <= ledger.now:  # others have it in hand, or nobody
                known = ledger.now + (SOON if ledger.now >= self.judge_from else UNJUDGED)
        timers = [row.run_at for row in ledger.changed.values()]
        timers += ledger.alarm_times
        future = [at for at in timers if at is not None and at > ledger.now]
        future += [self.judge_from] if self.judge_from > ledger.now else []
        if self.placing.next_at is not None:
            future.append(max(self.placing.next_at, ledger.now))
        if self._run is None:  # others set timers too, and may die before them
            future.append(ledger.now + self._lease / HEARTBEATS)
        return min([*future, *([known] if known is not None else [])], default=None)

    # booking

    def _start_runs(self, ledger: Ledger) -> None:
        for run in ledger.runs():
            if run.state is not RunState.PENDING or is_ahead(run, ledger.now):
                continue
            if not is_gated(run, self.plans.of(run.number)):
                at = started_at(run, ledger.now)
                ledger.move_run(run.number, RunEvent.START, started_at=at)

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
                    self.pace.count(ledger.now)
                    booking.result(report)
                case Heartbeat():
                    self.placing.changed |= self._roster.heard(report, ledger.now)
                    if self.mirror is not None:
                        leases += [(c.ref, c.fence, report.worker) for c in report.held]
                case Nudge():
                    self.placing.changed = True
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
            decide(tx, children.booking, run)

    def _capacity(self, now: float) -> Mapping[str, Capacity]:
        capacity = self._roster.capacity(now, 2 * self.taken_meanwhile(GATHER))
        if self._run is None:
            return capacity
        known = capacity.values()
        slots, offers = sum(one.slots for one in known), sum(one.offers for one in known)
        return {POOL: Capacity(slots, offers)}

    def _learn(self, tx: Turn, ledger: Ledger, booking: Booking) -> None:
        """At once where a run that is driven alone ends: this may be the last turn."""
        at_once = self._run is not None and any(run.state.ended for run in ledger.moved_runs)
        self.standing.durations.write(tx, booking.took, ledger.now, at_once=at_once)

    def kept(self) -> None:
        """The turn was committed."""
        self.plans.kept()
        self.placing.kept()
        self.standing.durations.kept(self._clock.now())
        if self._run is None and self.plans.age(self.most_plans):
            # Runs that other schedulers have ended would never be forgotten here.
            self.standing.durations.retain(self.plans)

    def forget(self, run: int) -> None:
        """It has ended."""
        self.plans.forget(run)
        self.standing.durations.forget(run)
