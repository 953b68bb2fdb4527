"""The orders that are compared. Each gives a task that becomes ready a key; the least goes
first, and of equal ones whichever became ready first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from order.graphs import Graph
from order.loads import Arrival
from tidemill.model.expected import Ways, ways
from tidemill.model.line import UNKNOWN_SECONDS, Line, place_of, start_of
from tidemill.model.pools import SHORT, Pool

Means = Callable[[Graph], dict[str, float]]
"""What is known of a graph: the expected seconds of its steps, by name."""


class Place(NamedTuple):
    key: tuple[float, ...]
    lane: int = SHORT


class Ready(NamedTuple):
    """A task of this step that becomes ready."""

    run: Arrival
    step: int
    now: float


class Order:
    """First in, first out. `ahead` is how many offers wait at workers beyond what they can
    take, for each slot."""

    name = "first in, first out"
    pool = Pool(reserved=0.0)
    ahead = 0.0

    def begin(self, slots: int) -> None:
        """A new load on so many slots."""

    def stand(self, task: Ready) -> Place:
        """The place of a task that becomes ready."""
        return Place((task.now,))

    def offered(self, run: Arrival, step: int, place: Place) -> None:
        """It goes to a worker."""

    def empty(self) -> None:
        """Nobody waits."""


class ByPriority(Order):
    """What queues with priorities do."""

    name = "priority, then first in, first out"

    def stand(self, task: Ready) -> Place:
        return Place((task.run.rank_of(task.step), task.now))


class AsAirflow(Order):
    """Airflow's default: a task's weight is that of all that comes after it and its own, the
    highest goes first, then the earliest run."""

    name = "as Airflow: by what comes after"

    def stand(self, task: Ready) -> Place:
        return Place((-_weights(task.run.graph)[task.step], task.run.at))


class Ideal(Order):
    """The longest way to the end first, by durations that are known beforehand: the upward
    rank of HEFT (Topcuoglu, Hariri and Wu, 2002). The priority goes first."""

    name = "ideal: longest way left, known beforehand"

    def begin(self, slots: int) -> None:
        del slots
        self._after: dict[int, list[float]] = {}

    def stand(self, task: Ready) -> Place:
        found = self._after.get(id(task.run))
        if found is None:
            found = self._after[id(task.run)] = _ways_left(task.run)
        return Place((task.run.rank_of(task.step), -found[task.step]))


@dataclass(eq=False)
class Tidemill(Order):
    """The scheduler's own decisions: `tidemill.model.line`, `pools` and `expected`, put
    together as `tidemill.engine.standing` does."""

    means: Means = lambda graph: graph.means
    name: str = "Tidemill"
    pool: Pool = field(default_factory=Pool)
    ahead: float = 1.0

    def begin(self, slots: int) -> None:
        self._slots, self._line = slots, Line()
        self._known: dict[Graph, tuple[dict[str, float], Ways]] = {}

    def _knows(self, graph: Graph) -> tuple[dict[str, float], Ways]:
        found = self._known.get(graph)
        if found is None:
            means = self.means(graph)
            unknown = UNKNOWN_SECONDS if means else 0.0
            found = self._known[graph] = means, ways(graph.plan, means, unknown)
        return found

    def stand(self, task: Ready) -> Place:
        run, step, now = task
        means, found = self._knows(run.graph)
        expected = means.get(run.graph.plan.steps[step].step.name)
        share = (UNKNOWN_SECONDS if expected is None else expected) / self._slots
        rank = run.rank_of(step)
        start = self._line.join(run.graph.pipeline, rank, now, share)
        place = place_of(start, rank, found.slack(step))
        return Place((place,), self.pool.lane(expected))

    def offered(self, run: Arrival, step: int, place: Place) -> None:
        slack, rank = self._knows(run.graph)[1].slack(step), run.rank_of(step)
        self._line.served(rank, start_of(place.key[0], rank, slack))

    def empty(self) -> None:
        self._line.empty()


@cache
def _weights(graph: Graph) -> list[int]:
    """By step: how many tasks it and all that depends on it are."""
    steps, order = graph.plan.steps, graph.plan.topological()
    after: dict[int, set[int]] = {}
    for step in reversed(order):
        after[step.index] = {step.index}.union(*(after[other] for other in step.dependents))
    return [sum(len(steps[k].counted) for k in after[step.index]) for step in steps]


def _ways_left(run: Arrival) -> list[float]:
    """By step: the longest way from its start to the end of the run, as it will be."""
    seconds: list[float] = run.seconds()
    after: dict[int, float] = {}
    for step in reversed(run.graph.plan.topological()):
        rest = max((after[other] for other in step.dependents), default=0.0)
        longest = max((seconds[i.ordinal] for i in step.counted), default=0.0)
        after[step.index] = longest + rest
    return [after[step.index] for step in run.graph.plan.steps]


def peers() -> list[Order]:
    return [Order(), ByPriority(), AsAirflow(), Ideal(), Tidemill()]
