"""What comes: runs at random times, with priorities and deadlines, and how long each of their
tasks takes. The same load is given to every order, second by second."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from order.graphs import Graph, varied
from tidemill.model.expected import ways

MIXED = (1, 3, 10, 3, 1)
"""Of all runs, how many are critical, high, normal, low and bulk."""

DIFFERS = 0.3
"""How much the seconds of a task differ from run to run: standard deviation over mean."""


class Arrival(NamedTuple):
    """A run that comes. `seed` is what its tasks' durations are drawn by, or they are given:
    `took`, by ordinal. `deadline` is a moment, if there is one."""

    at: float
    graph: Graph
    rank: int = 2
    seed: int = 0
    deadline: float | None = None
    took: tuple[float, ...] = ()

    def rank_of(self, step: int) -> int:
        return self.graph.ranks[step] if self.graph.ranks else self.rank

    def seconds(self, differs: float = DIFFERS) -> list[float]:
        """How long each of its tasks takes, by ordinal."""
        if self.took:
            return list(self.took)
        dice, found = random.Random(self.seed), [0.0] * self.graph.plan.size  # noqa: S311
        for step, usual in zip(self.graph.plan.steps, self.graph.usual, strict=True):
            for instance in step.counted:
                found[instance.ordinal] = varied(dice, usual, differs) if differs else usual
        return found


@dataclass(frozen=True)
class Deadlines:
    """Some `share` of the runs has a deadline: `ways` times the expected critical path after
    it came, and one minute at least."""

    share: float = 0.3
    ways: float = 3.0


@dataclass(frozen=True)
class Tide:
    """More and less comes in turn: by `swing` of the mean, every `period` seconds."""

    swing: float = 0.4
    period: float = 2400.0

    def now(self, at: float) -> float:
        return 1 + self.swing * math.sin(2 * math.pi * at / self.period)


def alone(graph: Graph, seed: int) -> list[Arrival]:
    return [Arrival(0.0, graph, seed=seed)]


def together(graphs: Sequence[Graph], seed: int) -> list[Arrival]:
    """One run of each, all at once."""
    return [Arrival(0.0, graph, seed=seed * 100 + n) for n, graph in enumerate(graphs)]


def crowd(
    graphs: Sequence[Graph],
    slots: int,
    runs: int,
    load: float,
    seed: int = 7,
    tide: Tide | None = None,
    deadlines: Deadlines | None = None,
) -> list[Arrival]:
    """Runs come at random, with this `load`: a share of what the slots can take, in the mean
    over a `tide`."""
    dice, found, at = random.Random(seed), [], 0.0  # noqa: S311
    each = statistics.mean(graph.work for graph in graphs)
    critical = {graph.name: ways(graph.plan, graph.means).total for graph in graphs}
    deadlines = deadlines or Deadlines()
    for number in range(runs):
        graph = dice.choice(graphs)
        rank = dice.choices(range(5), MIXED)[0]
        due = None
        if dice.random() < deadlines.share:
            due = at + max(deadlines.ways * critical[graph.name], 60.0)
        found.append(Arrival(at, graph, rank, seed * 1_000_003 + number, due))
        at += dice.expovariate(load * slots / each * (tide.now(at) if tide else 1.0))
    return found


def tasks(arrivals: Iterable[Arrival]) -> int:
    return sum(arrival.graph.plan.size for arrival in arrivals)
