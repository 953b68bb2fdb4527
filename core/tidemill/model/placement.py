"""Which worker a step goes to that wants something of it: resources, labels, a region.

Pure: workers are as their heartbeats say, and what they have to do for steps that were put
there (`Load`) is counted from rows by whoever asks. Steps that want nothing are not placed:
any worker of their pool takes them.

- A worker *could fit* if it is of the pool, has the labels, and has the resources in all.
- It *fits* if it has them left over, and a slot for one more placed step.
- Of those that fit, the preferred region comes first; then who has a slot free at once; then
  who has nothing that others may need and the step does not (a GPU); then the *best fit*: who
  has the least left over; then who has the least to do.
- A region that is not the first one may be used when the step has waited for so long, or when
  nobody in those before it could fit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tidelang.definition import Approval, Step, Subrun
from tidemill.model.rows import WorkerRow

PLACED = 16
"""Lanes from here on are of steps that are placed: one for all that want the same."""

COMMON = frozenset({"cpu", "memory", "disk"})
"""What every machine has: to have it is nothing special."""

_LANES = 1 << 30
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Wants:
    """What a step wants of its worker: see `tidelang.definition.Step`."""

    pool: str
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker has to do: `used` by steps that were placed there, `steps` of them, and
    `busy` slots, those of steps that want nothing as well."""

    used: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    busy: int = 0

    def with_one_more(self, wants: Wants) -> Load:
        return Load(added(self.used, wants.resources), self.steps + 1, self.busy + 1)


IDLE = Load()

Loads = Mapping[str, Load]
"""By the names of workers."""


def wants_of(step: Step) -> Wants | None:
    """None of a step that any worker of its pool can take, or that takes none."""
    if isinstance(step.action, Approval | Subrun):
        return None
    resources = {name: float(amount) for name, amount in step.resources if amount}
    if not resources and not step.labels and not step.regions:
        return None
    return Wants(step.pool, resources, dict(step.labels), step.regions)


def lane_of(step: Step) -> int | None:
    """The lane of a step that is placed. All that want the same stand in one line: where the
    first of it can go nowhere now, nobody behind it can."""
    wants = wants_of(step)
    if wants is None:
        return None
    said = [sorted(wants.resources.items()), sorted(wants.labels.items()), wants.regions]
    return PLACED + zlib.crc32(json.dumps(said).encode()) % _LANES


def added(some: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {name: some.get(name, 0.0) + more.get(name, 0.0) for name in {**some, **more}}


def has_room(
    total: Mapping[str, float], used: Mapping[str, float], wanted: Mapping[str, float]
) -> bool:
    """Whether so much is left over. Ten tenths are a whole, whatever their sum is."""
    return all(
        used.get(name, 0.0) + amount <= total.get(name, 0.0) * (1 + _ROUNDING)
        for name, amount in wanted.items()
    )


# --- who ---------------------------------------------------------------------------------


def could_fit(worker: WorkerRow, wants: Wants) -> bool:
    """Whether it would fit if it had nothing to do, in whatever region it is."""
    return (
        worker.pool == wants.pool
        and wants.labels.items() <= worker.labels.items()
        and has_room(worker.resources, {}, wants.resources)
    )


def fits(worker: WorkerRow, load: Load, wants: Wants) -> bool:
    """Whether it fits now, in whatever region it is."""
    return (
        could_fit(worker, wants)
        and load.steps < worker.slots
        and has_room(worker.resources, load.used, wants.resources)
    )


class Reach(NamedTuple):
    """The `regions` that a step may go to now, the preferred one first, None where it may go to
    any; in how many seconds there are more of them, where waiting opens one (`more_in`)."""

    regions: tuple[str, ...] | None
    more_in: float | None = None


def reach(able: Collection[WorkerRow], wants: Wants, waited: float, region_wait: float) -> Reach:
    """`able` are those that could fit: a region in which there are none of them is passed over
    at once."""
    if not wants.regions:
        return Reach(None)
    there = {worker.region for worker in able}
    open_: list[str] = []
    opens_at = 0.0
    for region in wants.regions:
        if opens_at > waited:
            return Reach(tuple(open_), opens_at - waited)
        open_.append(region)
        if region in there:
            opens_at += region_wait
    return Reach(tuple(open_))


def choose(
    workers: Iterable[WorkerRow],
    loads: Loads,
    wants: Wants,
    regions: Sequence[str] | None = None,
) -> WorkerRow | None:
    """The best of those that fit now, in these regions; None where none does."""
    found = [
        worker
        for worker in workers
        if (regions is None or worker.region in regions)
        and fits(worker, loads.get(worker.name, IDLE), wants)
    ]
    if not found:
        return None
    return min(found, key=lambda w: _badness(w, loads.get(w.name, IDLE), wants, regions))


def _badness(
    worker: WorkerRow, load: Load, wants: Wants, regions: Sequence[str] | None
) -> tuple[int, bool, int, float, float, str]:
    special = worker.resources.keys() - COMMON - wants.resources.keys()
    left = sum(
        (worker.resources[name] - load.used.get(name, 0.0) - amount) / worker.resources[name]
        for name, amount in wants.resources.items()
    )
    return (
        0 if regions is None else regions.index(worker.region),
        load.busy >= worker.slots,
        len(special),
        round(left, 9),
        load.busy / worker.slots,
        worker.name,
    )


def nearest(
    workers: Iterable[WorkerRow],
    loads: Loads,
    wants: Wants,
    regions: Sequence[str] | None = None,
) -> WorkerRow | None:
    """Of those that could fit, in these regions, the one that lacks the least now: where a
    step waits that has waited for long. The more of it gets free, the nearer it is."""

    def lacks(worker: WorkerRow) -> tuple[float, str]:
        load = loads.get(worker.name, IDLE)
        lack = 1.0 if load.steps >= worker.slots else 0.0
        for name, amount in wants.resources.items():
            total = worker.resources[name]
            lack += max(load.used.get(name, 0.0) + amount - total, 0.0) / total
        return lack, worker.name

    able = (
        worker
        for worker in workers
        if could_fit(worker, wants) and (regions is None or worker.region in regions)
    )
    return min(able, key=lacks, default=None)
