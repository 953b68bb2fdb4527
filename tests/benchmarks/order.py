"""What the order of dispatch is worth: the scheduler's own decisions (places in line, lanes,
critical paths) against first in, first out, on workflow graphs and on a crowd of them, in
simulated time.

    python tests/benchmarks/order.py             graphs alone, and a crowd
    python tests/benchmarks/order.py --large     a million tasks on ten thousand slots

The graphs have the shapes of workflows that WfCommons publishes (Coleman et al., 2022), by
stages; how long a task takes is drawn around a mean for its stage (log-normal), and the
scheduler knows the means alone, as its history would.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.model.expected import Ways, ways
from tidemill.model.line import Line, place_of, start_of
from tidemill.model.plan import Plan, make_plan
from tidemill.model.pools import LONG, Pool

Stages = Sequence[tuple[str, int, float, Sequence[str]]]
"""Name, how many tasks, seconds of each in the mean, and what it needs."""

SHAPES: Mapping[str, Stages] = {
    "montage": [
        ("project", 60, 15, ()),
        ("diff", 180, 3, ("project",)),
        ("concat", 1, 20, ("diff",)),
        ("model", 1, 40, ("concat",)),
        ("background", 60, 5, ("model", "project")),
        ("table", 1, 10, ("background",)),
        ("add", 1, 90, ("table",)),
        ("shrink", 1, 15, ("add",)),
    ],
    "epigenomics": [
        ("split", 1, 30, ()),
        ("filter", 48, 20, ("split",)),
        ("to_sanger", 48, 10, ("filter",)),
        ("to_binary", 48, 8, ("to_sanger",)),
        ("map", 48, 120, ("to_binary",)),
        ("merge", 1, 60, ("map",)),
        ("index", 1, 20, ("merge",)),
        ("pileup", 1, 30, ("index",)),
    ],
    "seismology": [("decon", 200, 12, ()), ("wrap", 1, 60, ("decon",))],
    "genome": [
        ("individuals", 100, 60, ()),
        ("merge", 1, 150, ("individuals",)),
        ("sift", 10, 20, ()),
        ("overlap", 40, 45, ("merge", "sift")),
        ("frequency", 40, 90, ("merge", "sift")),
    ],
    "cycles": [
        ("baseline", 40, 25, ()),
        ("main", 80, 40, ("baseline",)),
        ("fertiliser", 80, 40, ("baseline",)),
        ("outputs", 40, 6, ("main",)),
        ("plots", 40, 6, ("fertiliser",)),
        ("summary", 1, 30, ("outputs", "plots")),
    ],
    "forked": [
        ("chain1", 1, 60, ()),
        ("noise", 300, 10, ()),
        ("chain2", 1, 120, ("chain1",)),
        ("chain3", 1, 180, ("chain2",)),
        ("end", 1, 5, ("chain3", "noise")),
    ],
}


def planned(name: str, stages: Stages) -> Plan:
    steps = []
    for stage, count, _, needs in stages:
        items = ("list", tuple(("lit", each) for each in range(count)))
        loop = Loop(("x",), items) if count > 1 else None
        steps.append(Step(stage, Argv((("lit", stage),)), needs=tuple(needs), loop=loop))
    return make_plan(Definition(name, steps=tuple(steps)), {})


@dataclass(slots=True)
class Going:
    """A run. `priority` is a rank."""

    name: str
    plan: Plan
    found: Ways
    means: Mapping[str, float]
    began: float
    priority: int
    waiting: list[int]
    open: list[int]
    left: int


@dataclass
class World:
    """One pool. `fair` is the scheduler's order, else it is first in, first out."""

    slots: int
    fair: bool
    seed: int = 1
    pool: Pool = field(default_factory=Pool)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311  no secret
        self.line = Line()
        self.queues: tuple[list[tuple[float, int, Going, int, float]], ...] = ([], [])
        self.events: list[tuple[float, int, Going | None, int]] = []
        self.free, self.long, self.now, self.made = self.slots, 0, 0.0, 0
        self.busy = 0.0
        self.waits: dict[tuple[int, bool], list[float]] = {}
        self.ends: list[tuple[str, float, float]] = []

    def start(self, name: str, plan: Plan, stages: Stages, at: float, priority: int = 2) -> None:
        means = {stage: mean for stage, _, mean, _ in stages}
        run = Going(
            name, plan, ways(plan, means), means, at, priority,
            [len(step.needs) for step in plan.steps],
            [len(step.counted) for step in plan.steps],
            len(plan.steps),
        )  # fmt: skip
        self._at(at, run, -1)

    def _at(self, at: float, run: Going, step: int) -> None:
        self.made += 1
        heapq.heappush(self.events, (at, self.made, run, step))

    def run(self) -> float:
        while self.events:
            self.now, _, run, step = heapq.heappop(self.events)
            if run is None:
                continue
            if step < 0:
                for index, needs in enumerate(run.waiting):
                    if not needs:
                        self._ready(run, index)
            else:
                self._ended(run, step)
            if not self.events or self.events[0][0] > self.now:
                self._dispatch()
        return self.now

    def _ready(self, run: Going, index: int) -> None:
        step = run.plan.steps[index]
        mean = run.means[step.step.name]
        slack, share = run.found.slack(index), mean / self.slots
        lane = self.pool.lane(mean) if self.fair else 0
        queue = self.queues[lane]
        for _ in step.counted:
            self.made += 1
            place = self.now
            if self.fair:
                start = self.line.join(run.name, run.priority, self.now, share)
                place = place_of(start, run.priority, slack)
            heapq.heappush(queue, (place, self.made, run, index, self.now))

    def _dispatch(self) -> None:
        limit = self.pool.for_long(self.slots)
        while self.free:
            heads = [
                (queue[0], lane)
                for lane, queue in enumerate(self.queues)
                if queue and (lane != LONG or self.long < limit)
            ]
            if not heads:
                break
            (place, _, run, index, since), lane = min(heads)
            heapq.heappop(self.queues[lane])
            if self.fair:
                slack = run.found.slack(index)
                self.line.served(run.priority, start_of(place, run.priority, slack))
            mean = run.means[run.plan.steps[index].step.name]
            seconds = self.dice.lognormvariate(math.log(mean) - 0.08, 0.4)
            self.free -= 1
            self.long += lane == LONG
            self.busy += seconds
            is_short = mean <= self.pool.short
            self.waits.setdefault((run.priority, is_short), []).append(self.now - since)
            self._at(self.now + seconds, run, index if lane != LONG else index + _LONG)
        if not any(self.queues):
            self.line.empty()

    def _ended(self, run: Going, code: int) -> None:
        index = code % _LONG
        self.free += 1
        self.long -= code >= _LONG
        run.open[index] -= 1
        if run.open[index]:
            return
        run.left -= 1
        if not run.left:
            self.ends.append((run.name, run.began, self.now))
        for dependent in run.plan.steps[index].dependents:
            run.waiting[dependent] -= 1
            if not run.waiting[dependent]:
                self._ready(run, dependent)


_LONG = 1 << 20


def alone(slots: int) -> None:
    """Makespans of each shape by itself."""
    print("| graph | tasks | least | first in, first out | Tidemill | saved |")
    print("|---|---|---|---|---|---|")
    for name, stages in SHAPES.items():
        plan = planned(name, stages)
        means = {stage: mean for stage, _, mean, _ in stages}
        work = sum(count * mean for _, count, mean, _ in stages)
        least = max(ways(plan, means).total, work / slots)
        spans = []
        for fair in (False, True):
            found = []
            for seed in range(20):
                world = World(slots, fair, seed)
                world.start(name, plan, stages, 0)
                found.append(world.run())
            spans.append(statistics.mean(found))
        saved = 1 - spans[1] / spans[0]
        print(
            f"| {name} | {plan.size} | {least:.0f} s | {spans[0]:.0f} s | {spans[1]:.0f} s"
            f" | {saved:.0%} |"
        )


def lanes(slots: int) -> None:
    """A flood of steps of ten minutes each, and a step of five seconds every five seconds."""
    flood: Stages = [("long", 6 * slots, 600, ())]
    quick: Stages = [("short", 1, 5, ())]
    plans = planned("flood", flood), planned("quick", quick)
    print("\n| order | a short step waits, mean / p99 | the flood takes |")
    print("|---|---|---|")
    ways_to_go = {
        "first in, first out": World(slots, fair=False),
        "fair, without lanes": World(slots, fair=True, pool=Pool(reserved=0)),
        "Tidemill": World(slots, fair=True),
    }
    for name, world in ways_to_go.items():
        world.start("flood", plans[0], flood, 0)
        for number in range(600):
            world.start("quick", plans[1], quick, 5.0 * number)
        world.run()
        waits = sorted(world.waits[2, True])
        took = max(last for what, _, last in world.ends if what == "flood")
        mean, high = statistics.mean(waits), waits[len(waits) * 99 // 100]
        print(f"| {name} | {mean:.1f} / {high:.1f} s | {took:.0f} s |")


def crowd(slots: int, runs: int, load: float) -> None:
    """Runs of all shapes come at random, with this share of what the slots can take."""
    plans = {name: planned(name, stages) for name, stages in SHAPES.items()}
    work = statistics.mean(
        sum(count * mean for _, count, mean, _ in stages) for stages in SHAPES.values()
    )
    words = ["critical", "high", "normal", "low", "bulk"]
    print(f"\n| order | {' | '.join(words)} | a run takes | slots used |")
    print("|---" * 8 + "|")
    for fair in (False, True):
        world, dice = World(slots, fair), random.Random(7)  # noqa: S311
        at, begun, tasks = 0.0, time.perf_counter(), 0
        for _ in range(runs):
            name = dice.choice(list(SHAPES))
            priority = dice.choices(range(5), (1, 3, 10, 3, 1))[0]
            world.start(name, plans[name], SHAPES[name], at, priority)
            tasks += plans[name].size
            at += dice.expovariate(load * slots / work)
        end = world.run()
        took = statistics.mean(last - first for _, first, last in world.ends)
        cells = []
        for rank in range(5):
            waits = sorted(w for short in (True, False) for w in world.waits.get((rank, short), ()))
            cells.append(f"{statistics.mean(waits):.0f} / {waits[len(waits) * 99 // 100]:.0f} s")
        title = "Tidemill" if fair else "first in, first out"
        used = world.busy / (slots * end)
        print(f"| {title} | {' | '.join(cells)} | {took:.0f} s | {used:.0%} |")
        print(f"<!-- {tasks} tasks in {time.perf_counter() - begun:.0f} s -->")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    if given.large:
        crowd(10_000, 5_200, 0.95)
    else:
        alone(16)
        lanes(64)
        crowd(64, 300, 0.9)


if __name__ == "__main__":
    main()
