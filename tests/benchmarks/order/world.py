"""One pool in virtual time, with an order's decisions alone: a heap stands in for database,
broker and workers. What `real` simulates with the scheduler's turns, a hundred times faster."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from order.loads import Arrival
from order.offers import Offers
from order.orders import Order, Place, Ready
from order.outcome import Outcome
from tidemill.model.line import aged
from tidemill.model.pools import LONG, SHORT


class Run:
    """A run that has come: what its steps still wait for, and how many of their tasks are
    open."""

    __slots__ = ("arrival", "left", "open", "seconds", "waiting")

    def __init__(self, arrival: Arrival) -> None:
        steps = arrival.graph.plan.steps
        self.arrival = arrival
        self.seconds = arrival.seconds()
        self.waiting = [len(step.needs) for step in steps]
        self.open = [len(step.counted) for step in steps]
        self.left = len(steps)

    def done(self, step: int) -> list[int]:
        """All tasks of a step are over: the steps that wait for nothing more."""
        self.left -= 1
        ready = []
        for dependent in self.arrival.graph.plan.steps[step].dependents:
            self.waiting[dependent] -= 1
            if not self.waiting[dependent]:
                ready.append(dependent)
        return ready


class Task(NamedTuple):
    run: Run
    step: int
    ordinal: int
    since: float
    place: Place
    aside: bool = False


class World:
    """`slots` workers of one slot each, or fewer with more."""

    def __init__(self, slots: int, order: Order, arrivals: Sequence[Arrival]) -> None:
        self.slots, self.order = slots, order
        self.outcome = Outcome(slots)
        self._room = slots + int(slots * order.ahead)
        self._room_long = order.pool.for_long(slots)
        self._queues: tuple[list[tuple[tuple[float, ...], int, Task]], ...] = ([], [])
        self._offers: Offers[Task] = Offers()
        self._events: list[tuple[float, int, Task | Arrival]] = []
        self._made, self._now, self._busy = 0, 0.0, 0
        order.begin(slots)
        for arrival in arrivals:
            self._at(arrival.at, arrival)

    def _at(self, moment: float, event: Task | Arrival) -> None:
        self._made += 1
        heapq.heappush(self._events, (moment, self._made, event))

    def run(self) -> Outcome:
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            if isinstance(event, Arrival):
                self._come(Run(event))
            else:
                self._ended(event)
            if not self._events or self._events[0][0] > self._now:
                self._dispatch()
                self._start()
        return self.outcome

    def _come(self, run: Run) -> None:
        for step in [step for step, needs in enumerate(run.waiting) if not needs]:
            self._ready(run, step)

    def _ready(self, run: Run, step: int) -> None:
        graph = run.arrival.graph
        if not graph.plan.steps[step].counted:
            self._done(run, step)
        for instance in graph.plan.steps[step].counted:
            seconds = run.seconds[instance.ordinal]
            if step in graph.aside:
                aside = Task(run, step, instance.ordinal, self._now, Place(()), aside=True)
                self._at(self._now + seconds, aside)
                continue
            place = self.order.stand(Ready(run.arrival, step, self._now))
            self._made += 1
            task = Task(run, step, instance.ordinal, self._now, place)
            heapq.heappush(self._queues[place.lane], (place.key, self._made, task))

    def _dispatch(self) -> None:
        """Offers as much as there is room for, the least key first."""
        while self._room:
            lanes = [lane for lane, queue in enumerate(self._queues) if queue]
            if self._room_long <= 0:
                lanes = [lane for lane in lanes if lane != LONG]
            if not lanes:
                self.order.empty()
                return
            _, _, task = heapq.heappop(min((self._queues[lane] for lane in lanes), key=_head))
            self._offer(task)

    def _offer(self, task: Task) -> None:
        arrival = task.run.arrival
        self.order.offered(arrival, task.step, task.place)
        self._room -= 1
        self._room_long -= task.place.lane != SHORT
        waited = self._now - task.since
        rank = aged(arrival.rank_of(task.step), waited) if self.order.ahead else 0
        self._offers.put(rank, task)

    def _start(self) -> None:
        while self._offers and self._busy < self.slots:
            task = self._offers.take()
            self._busy += 1
            self.outcome.most = max(self.outcome.most, self._busy)
            waited = self._now - task.since
            rank = task.run.arrival.rank_of(task.step)
            self.outcome.started(rank, waited, self._now)
            self._at(self._now + task.run.seconds[task.ordinal], task)

    def _ended(self, task: Task) -> None:
        if not task.aside:
            self._busy -= 1
            self._room += 1
            self._room_long += task.place.lane != SHORT
            self.outcome.over.append(self._now)
        task.run.open[task.step] -= 1
        if not task.run.open[task.step]:
            self._done(task.run, task.step)

    def _done(self, run: Run, step: int) -> None:
        for dependent in run.done(step):
            self._ready(run, dependent)
        if not run.left:
            self.outcome.ends.append((run.arrival, self._now))


def _head(queue: list[tuple[tuple[float, ...], int, Task]]) -> tuple[tuple[float, ...], int]:
    return queue[0][:2]


def simulate(slots: int, order: Order, arrivals: Sequence[Arrival]) -> Outcome:
    return World(slots, order, arrivals).run()
