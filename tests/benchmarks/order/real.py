"""The same pool with the real scheduler's turns (`tidemill.engine.turns`) on a real store, in
virtual time: only the workers and the way to them are played.

A turn comes `gather` seconds after the first report that it takes. Workers take the offers that
wait for them without one. No heartbeats are played but the first ones: leases outlast it all.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import cache

from order.graphs import Graph
from order.loads import Arrival
from order.offers import Offers
from order.outcome import Outcome
from order.world import Run
from tidelang import codec
from tidemill.engine.census import renew
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.turns import Turns
from tidemill.model.messages import Heartbeat, Nudge, Order, Report, Result, Started
from tidemill.model.plan import make_plan
from tidemill.model.rows import DurationRow
from tidemill.ports import Transaction
from tidemill.store.database import InMemory
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock

LEASE = 1e9
BEGINS = 1_000_000.0
"""The moment at which loads begin: schedulers take times near 0 for none at all."""

SURE = 1000
"""Samples that what is known stands for: so many that a load hardly changes it."""


class Clock(VirtualClock):
    """Nothing sleeps here: it is set."""

    def set(self, now: float) -> None:
        self._now = max(self._now, now)


class Known(Run):
    """A run that was made. `since` is by step, from when its tasks were ready in truth."""

    __slots__ = ("since",)

    def __init__(self, arrival: Arrival) -> None:
        super().__init__(arrival)
        self.since = [BEGINS + arrival.at] * len(self.waiting)


class Fleet:
    """A scheduler, its database, and `slots` workers of one slot each."""

    def __init__(self, slots: int, *, gather: float = 1.0, store: SqlStore | None = None) -> None:
        self.clock = Clock(BEGINS)
        self.store = store or SqlStore(InMemory().engine)
        self.turns = Turns(self.clock, run=None, lease=LEASE, policy=None)
        self.gather = gather
        self.taken = 0
        """Turns that were taken."""
        self.outcome = Outcome(slots)
        self._slots = slots
        self._idle = [f"w{n}" for n in reversed(range(slots))]
        self._runs: dict[int, Known] = {}
        self._offers: Offers[Order] = Offers()
        self._events: list[tuple[float, int, tuple[Order, str, float] | Arrival]] = []
        self._reports: list[Report] = []
        self._turn_at: float | None = None
        self._made = 0
        self._hire()

    def _hire(self) -> None:
        beats = [Heartbeat(name, "default", 1, ()) for name in self._idle]
        self.store.transact_now(lambda tx: renew(tx, beats, self.clock.now(), LEASE))
        self._turn(*beats)

    def know(self, graphs: Sequence[Graph]) -> None:
        """How long their steps have taken is known."""
        rows = [
            DurationRow(graph.name, step, SURE, mean, 0.0)
            for graph in graphs
            for step, mean in graph.means.items()
        ]
        self.store.transact_now(lambda tx: tx.learn(rows))

    def run(self, arrivals: Sequence[Arrival]) -> Outcome:
        for arrival in arrivals:
            self._at(BEGINS + arrival.at, arrival)
        while self._events or self._reports:
            first = self._events[0][0] if self._events else float("inf")
            if self._turn_at is not None and self._turn_at < first:
                self.clock.set(self._turn_at)
                reports, self._reports, self._turn_at = self._reports, [], None
                self._turn(*reports)
            else:
                self._next()
            self._start()
        return self.outcome

    def _at(self, moment: float, event: tuple[Order, str, float] | Arrival) -> None:
        self._made += 1
        heapq.heappush(self._events, (moment, self._made, event))

    def _next(self) -> None:
        now, _, event = heapq.heappop(self._events)
        self.clock.set(now)
        if isinstance(event, Arrival):
            self._come(event)
        else:
            self._ended(*event)

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        if self._turn_at is None:
            self._turn_at = self.clock.now() + self.gather

    def _come(self, arrival: Arrival) -> None:
        new = _new_run(arrival.graph, arrival.rank)

        def work(tx: Transaction) -> int:
            number = create_run(tx, new, self.clock.now(), self.turns.standing).number
            tx.signal(number)
            return number

        number = self.store.transact_now(work)
        self._runs[number] = Known(arrival)
        self._report(Nudge(number))

    def _turn(self, *reports: Report) -> None:
        self.taken += 1
        todo = self.store.transact_now(lambda tx: self.turns.take(tx, reports))
        self.turns.kept()
        self.turns.next_due = todo.next_due
        for order in todo.orders:
            self._offers.put(order.priority, order)
        for run in todo.runs:
            if run.state.ended:
                self.turns.forget(run.number)
        if todo.next_due is not None and todo.next_due <= self.clock.now():
            self._turn()

    def _start(self) -> None:
        while self._offers and self._idle:
            order = self._offers.take()
            worker, now = self._idle.pop(), self.clock.now()
            run = self._runs[order.ref.run]
            step = run.arrival.graph.plan.by_task[order.ref.ordinal]
            self.outcome.started(run.arrival.rank, now - run.since[step], now - BEGINS)
            self.outcome.most = max(self.outcome.most, self._slots - len(self._idle))
            self._report(Started(order.ref, order.fence, worker, now))
            self._at(now + run.seconds[order.ref.ordinal], (order, worker, now))

    def _ended(self, order: Order, worker: str, began: float) -> None:
        now, run = self.clock.now(), self._runs[order.ref.run]
        self._idle.append(worker)
        self.outcome.over.append(now - BEGINS)
        self._report(Result(order.ref, order.fence, worker, began, now, "exited", 0))
        step = run.arrival.graph.plan.by_task[order.ref.ordinal]
        run.open[step] -= 1
        if run.open[step]:
            return
        for dependent in run.done(step):
            run.since[dependent] = now
        if not run.left:
            self.outcome.ends.append((run.arrival, now - BEGINS))
            del self._runs[order.ref.run]


@cache
def _new_run(graph: Graph, rank: int) -> NewRun:
    definition = graph.definition(rank)
    plan = make_plan(definition, {})
    content = codec.encode(definition)
    chosen = frozenset(range(plan.size))
    digest = codec.digest(definition)
    return NewRun(plan, digest, content, f"{graph.name}.tide", chosen, {}, pooled=True)
