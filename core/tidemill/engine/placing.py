"""Puts steps on workers that want something of them: resources, labels, a region.

Steps that want the same stand in a line of their own (`tidemill.model.placement`), so that what
can go nowhere now is in nobody's way, and what wants nothing goes on as if there were no
others. What workers have to do is counted from rows. One scheduler places at a time: none gives
away twice what is there once. The worker itself looks, too, before it begins with something.

- What has waited for `RESERVE_AFTER` seconds and still fits nowhere has one worker reserved for
  it, the one that lacks the least: nothing else is placed there until it fits. In a pool at
  most one worker is reserved at a time, for whoever stands first.
- Steps of the same pool that want nothing have their right, too: where more of them wait than
  its workers can take, a step is placed only when its turn in the line of the pool has come.
- What no worker could ever take says so, in words, in the task's detail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.roster import Roster
from tidemill.model.placement import (
    IDLE,
    PLACED,
    Load,
    Wants,
    added,
    choose,
    could_fit,
    nearest,
    reach,
    wants_of,
)
from tidemill.model.pools import HELD
from tidemill.model.rows import NO_WORKER, Queue, StageRef, TaskRow, WorkerRow
from tidemill.model.states import TaskState
from tidemill.model.unplaceable import PREFIX, unplaceable
from tidemill.ports import Transaction

REGION_WAIT = 30.0
"""Seconds that a step waits for workers of a region before it may go to the next one."""

RESERVE_AFTER = 60.0
"""Seconds of waiting after which a worker is reserved for a step."""

FEW = 64
"""Tasks of a line that are looked at, at first."""

MOST = 4096

AGAIN_SECONDS = 0.1
"""Until one looks again where another scheduler was placing."""


class Placing:
    """What a scheduler remembers of it between turns."""

    def __init__(self, roster: Roster, region_wait: float = REGION_WAIT) -> None:
        self.roster = roster
        self.region_wait = region_wait
        self.changed = True
        """Whether something may go somewhere that could not before."""
        self.next_at: float | None = None
        """When it may be so by itself: when a region opens, or somebody else is done."""
        self.waiting = False
        """Whether something waits until steps that want nothing have had their turn."""
        self._fronts: dict[str, float] = {}
        self._seeded = False

    def seed(self, tx: Transaction, now: float) -> None:
        """Workers that others have heard, before this scheduler has heard them itself."""
        if not self._seeded:
            self._seeded = True
            self.roster.seed(tx.workers(), now)

    def kept(self) -> None:
        """The turn was committed."""
        self.changed = False

    def served(self, pool: str, place: float) -> None:
        """A task with this place was offered to its pool."""
        self._fronts[pool] = place

    def has_turn(self, task: TaskRow) -> bool:
        return task.place <= self._fronts.get(task.pool or "", task.place)


@dataclass(slots=True)
class Places:
    """Places in one transaction. `sure` is whether it is known who is there: else nobody says
    that there is none."""

    placing: Placing
    tx: Transaction
    ledger: Ledger
    plans: Plans
    sure: bool
    crowded: Collection[str] = ()
    """Pools in which steps wait that want nothing of their worker."""
    _all: list[WorkerRow] = field(default_factory=list)
    _workers: list[WorkerRow] = field(default_factory=list)
    """Those that take work."""
    _loads: dict[str, Load] | None = None
    _reserved: dict[str, str] = field(default_factory=dict)
    """By pool, the worker that is kept for somebody."""
    _stuck: set[tuple[Queue, tuple[str, ...] | None]] = field(default_factory=set)
    _limit: int = FEW
    _limited: set[Queue] = field(default_factory=set)

    def wanted(self) -> bool:
        """Whether there is anything to look for."""
        placing = self.placing
        if not placing.changed:
            placing.changed = placing.waiting or self._touched()
        return placing.changed

    def _touched(self) -> bool:
        return any(map(_matters, self.ledger.changed.values()))

    def candidates(self, full: Iterable[StageRef], full_runs: Iterable[int]) -> list[TaskRow]:
        """The first tasks of each line, in the order of dispatch; more of them when it is
        asked again. None of a full stage or run."""
        if self._loads is not None or self._touched():
            self.ledger.flush(self.tx)
        limits = dict.fromkeys(self._lines(), self._limit)
        if not limits or (self._loads is None and not self._begin()):
            return []
        self.ledger.flush(self.tx)  # what is read is as it is by now
        found = self.tx.ready(self.ledger.now, limits, full, full_runs)
        counts = dict.fromkeys(limits, 0)
        for task in found:
            counts[_line(task)] += 1
        self._limited = {line for line, count in counts.items() if count >= self._limit}
        self._limit = min(4 * self._limit, MOST)
        return sorted(found, key=lambda task: (task.place, task.ref))

    def has_more(self, left: Iterable[TaskRow]) -> bool:
        """Whether there may be others to place, behind these that could not be."""
        return bool(self._limited - {_line(task) for task in left})

    def worker_for(self, task: TaskRow) -> WorkerRow | None:
        """Where it goes now. Who goes nowhere says so, where nobody could ever take it."""
        wants = self._wants(task)
        able = [worker for worker in self._workers if could_fit(worker, wants)]
        regions, more_in = reach(able, wants, self._waited(task), self.placing.region_wait)
        key = (_line(task), regions)
        if more_in is not None:
            self._wake_at(self.ledger.now + more_in)
        if key in self._stuck:
            return None
        if task.lane < PLACED or not any(_is_in(worker, wants.regions) for worker in able):
            self._say(task, self._why(wants))
            return None
        self._say(task, None)
        found = self._choose(task, able, wants, regions)
        if found is None:
            self._stuck.add(key)
        return found

    def taken(self, task: TaskRow, worker: WorkerRow) -> None:
        """It was offered to this worker."""
        before = (self._loads or {}).get(worker.name, IDLE)
        if self._loads is not None:
            self._loads[worker.name] = before.with_one_more(self._wants(task))

    # inside

    def _begin(self) -> bool:
        """Who is there, and what they have to do. False where somebody else places now."""
        now, placing = self.ledger.now, self.placing
        placing.seed(self.tx, now)
        if not self.tx.may_place():
            placing.next_at = now + AGAIN_SECONDS
            return False
        cordoned = {row.worker for row in self.tx.cordons()}
        everybody = placing.roster.workers(now)
        self._all = [w._replace(draining=w.draining or w.name in cordoned) for w in everybody]
        self._workers = [worker for worker in self._all if not worker.draining]
        self._loads = self._count()
        return True

    def _count(self) -> dict[str, Load]:
        held = self.tx.duties()
        self.plans.load(self.tx, {row.run for row in held})
        loads: dict[str, Load] = {}
        for row in held:
            load = loads.get(row.worker, IDLE)
            wants = wants_of(self.plans.of(row.run).steps[row.step].step) if row.placed else None
            used, steps = load.used, load.steps
            if row.placed:
                each = wants.resources if wants is not None else {}
                used = added(used, {name: row.tasks * each[name] for name in each})
                steps += row.tasks
            loads[row.worker] = Load(used, steps, load.busy + row.tasks)
        return loads

    def _lines(self) -> list[Queue]:
        """Those of what is placed; and of pools without workers, which nobody looks at. Where
        there is nothing of it, that is all that is asked."""
        self.placing.waiting, self.placing.next_at = False, None
        there = self.placing.roster.workers(self.ledger.now)
        pools = {worker.pool for worker in there if not worker.draining} | {NO_WORKER}
        return [
            line
            for line in self.tx.lines()
            if line.lane >= PLACED or (line.pool not in pools and line.lane != HELD)
        ]

    def _wants(self, task: TaskRow) -> Wants:
        step = self.plans.of(task.run).steps[task.step].step
        return wants_of(step) or Wants(task.pool or "")

    def _waited(self, task: TaskRow) -> float:
        since = task.run_at if task.ready_at is None else task.ready_at
        return 0.0 if since is None else self.ledger.now - since

    def _choose(
        self, task: TaskRow, able: Sequence[WorkerRow], wants: Wants, regions: Sequence[str] | None
    ) -> WorkerRow | None:
        loads = self._loads or {}
        reserved = self._reserved.get(wants.pool)
        free = [worker for worker in able if worker.name != reserved]
        found = choose(free, loads, wants, regions)
        if found is None:
            self._reserve(task, free, wants, regions)
            return None
        if wants.pool not in self.crowded or self.placing.has_turn(task):
            return found
        self.placing.waiting = True
        return None

    def _reserve(
        self, task: TaskRow, able: Sequence[WorkerRow], wants: Wants, regions: Sequence[str] | None
    ) -> None:
        left = RESERVE_AFTER - self._waited(task)
        if wants.pool in self._reserved:
            return
        if left > 0:
            self._wake_at(self.ledger.now + left)
            return
        kept = nearest(able, self._loads or {}, wants, regions)
        if kept is not None:
            self._reserved[wants.pool] = kept.name

    def _why(self, wants: Wants) -> str | None:
        return unplaceable(self._all, wants) if self.sure else None

    def _say(self, task: TaskRow, why: str | None) -> None:
        """Why it can go nowhere; None takes back what was said before, if anything was."""
        if why is None and (not self.sure or not task.detail.startswith(PREFIX)):
            return
        if task.detail != (why or ""):
            self.ledger.say(task, why or "")

    def _wake_at(self, at: float) -> None:
        known = self.placing.next_at
        self.placing.next_at = at if known is None else min(known, at)


def _line(task: TaskRow) -> Queue:
    return Queue(task.pool or NO_WORKER, task.lane)


def _is_in(worker: WorkerRow, regions: Sequence[str]) -> bool:
    return not regions or worker.region in regions


def _matters(task: TaskRow) -> bool:
    """Whether it may be placed now, or what it took is free."""
    placed = task.lane >= PLACED or bool(task.target)
    return placed and (task.state is TaskState.READY or task.state.ended)
