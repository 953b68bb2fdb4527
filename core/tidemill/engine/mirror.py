"""A run's rows in memory, for the one scheduler that drives it and nothing else.

Whoever holds a run alone (on a laptop: under the lock of the run) need not ask the
database for what it has just written there. A mirror stands before a transaction: it
reads the run once, answers reads itself, and hands all writes on, at the end of the
transaction and merged, so that a turn costs a handful of statements.

It is a cache and no more: a transaction that fails leaves it void, and a write that
meets another state than expected (somebody asked for a cancel) says so, and it is read
anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from tidemill.engine.ready import ReadyTasks
from tidemill.model.rows import (
    AttemptRow,
    DecisionRow,
    EventRow,
    ExpansionRow,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.model.states import TaskState
from tidemill.ports import Transaction

_ACTIVE = frozenset({TaskState.QUEUED, TaskState.RUNNING})


class Mirror:
    """See the module. `over` puts it before a transaction; `write` ends its part."""

    def __init__(self, run: int) -> None:
        self._number = run
        self._tx: Transaction
        self._run: RunRow
        self._clear()

    def _clear(self) -> None:
        self._loaded = False
        self._stages: dict[StageRef, StageRow] = {}
        self._tasks: dict[TaskRef, TaskRow] = {}
        self._by_step: dict[int, list[TaskRef]] = defaultdict(list)
        self._active: dict[TaskRef, TaskRow] = {}
        self._awaiting: dict[TaskRef, TaskRow] = {}
        self._ready = ReadyTasks()
        self._changed: dict[TaskRef, TaskRow] = {}
        self._changed_stages: set[StageRef] = set()
        self._run_before: RunRow | None = None
        self._attempts: list[AttemptRow] = []
        self._events: list[EventRow] = []
        self._expansions: list[ExpansionRow] = []
        self._new: list[TaskRef] = []

    def forget(self) -> None:
        """Reads everything again at the next transaction."""
        self._clear()

    def over(self, tx: Transaction, *, reread_run: bool) -> Mirror:
        self._tx = tx
        if not self._loaded:
            self._load()
        elif reread_run:
            (self._run,) = tx.runs([self._number])
        return self

    def write(self) -> None:
        """Hands on what was written since `over`."""
        tx, tasks = self._tx, self._tasks
        if self._expansions:
            tx.expand(self._expansions, [tasks[ref] for ref in self._new])
            self._changed = {r: row for r, row in self._changed.items() if r not in set(self._new)}
        if self._changed:
            tx.save_tasks([(before, tasks[ref]) for ref, before in self._changed.items()])
        if self._changed_stages:
            tx.save_stages([self._stages[ref] for ref in sorted(self._changed_stages)])
        if self._run_before is not None:
            tx.save_runs([(self._run_before, self._run)])
        if self._attempts:
            tx.save_attempts(self._attempts)
        if self._events:
            tx.record(self._events)
        self._changed, self._changed_stages, self._run_before = {}, set(), None
        self._attempts, self._events = [], []
        self._expansions, self._new = [], []

    # reading

    def runs(self, numbers: Iterable[int]) -> list[RunRow]:
        return [self._run for number in numbers if number == self._number]

    def definition(self, digest: str) -> bytes:
        return self._tx.definition(digest)

    def stages(self, refs: Iterable[StageRef]) -> list[StageRow]:
        return [self._stages[ref] for ref in refs]

    def stages_of(self, run: int) -> list[StageRow]:
        return list(self._stages.values()) if run == self._number else []

    def tasks(self, refs: Iterable[TaskRef]) -> list[TaskRow]:
        return [self._tasks[ref] for ref in refs if ref in self._tasks]

    def tasks_of(self, stages: Iterable[StageRef]) -> list[TaskRow]:
        return [self._tasks[ref] for stage in stages for ref in self._by_step[stage.step]]

    def open_tasks(self, run: int) -> list[TaskRow]:
        return [task for task in self.all_tasks(run) if not task.state.ended]

    def all_tasks(self, run: int) -> list[TaskRow]:
        return list(self._tasks.values()) if run == self._number else []

    def expansions(self, runs: Iterable[int]) -> list[ExpansionRow]:
        return self._tx.expansions(runs)

    def outputs(
        self, stages: Iterable[StageRef]
    ) -> dict[StageRef, dict[TaskRef, dict[str, Any] | None]]:
        return {
            stage: {
                task.ref: task.outputs
                for task in self.tasks_of([stage])
                if task.outputs is not None
            }
            for stage in stages
        }

    def due(self, run: int | None, now: float) -> list[TaskRow]:
        del run
        return [t for t in self._timed() if t.run_at is not None and t.run_at <= now]

    def next_due(self, run: int | None, now: float) -> float | None:
        del run
        timers = [t.run_at for t in self._timed() if t.run_at is not None]
        timers += self._ready.timers()
        return min((at for at in timers if at > now), default=None)

    def active(self, run: int | None) -> dict[StageRef, int]:
        del run
        counts: dict[StageRef, int] = defaultdict(int)
        for task in self._active.values():
            counts[StageRef(task.run, task.step)] += 1
        return counts

    def ready(
        self,
        run: int | None,
        now: float,
        limit: int,
        full: Iterable[StageRef] = (),
        full_runs: Iterable[int] = (),
    ) -> list[TaskRow]:
        del run
        if self._number in full_runs:
            return []
        refs = self._ready.first(now, limit, {stage.step for stage in full})
        return [self._tasks[ref] for ref in refs]

    def decisions(self, run: int) -> list[DecisionRow]:
        if not self._awaiting:
            return []
        return [row for row in self._tx.decisions(run) if row.ref in self._awaiting]

    # writing

    def expand(self, rows: Sequence[ExpansionRow], tasks: Sequence[TaskRow]) -> None:
        self._expansions.extend(rows)
        for task in tasks:
            self._new.append(task.ref)
            self._by_step[task.step].append(task.ref)
            self._put(task)

    def save_runs(self, changes: Sequence[tuple[RunRow, RunRow]]) -> None:
        for before, after in changes:
            self._run_before = self._run_before or before
            self._run = after

    def save_stages(self, rows: Sequence[StageRow]) -> None:
        for row in rows:
            self._stages[row.ref] = row
            self._changed_stages.add(row.ref)

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        for before, after in changes:
            self._changed.setdefault(after.ref, before)
            self._put(after)

    def renew(self, leases: Sequence[tuple[TaskRef, int]], until: float) -> None:
        for ref, fence in leases:
            task = self._active.get(ref)
            if task is not None and task.fence == fence and task.state is TaskState.RUNNING:
                self.save_tasks([(task, task._replace(run_at=until))])

    def save_attempts(self, rows: Sequence[AttemptRow]) -> None:
        self._attempts.extend(rows)

    def record(self, events: Sequence[EventRow]) -> None:
        self._events.extend(events)

    # inside

    def _load(self) -> None:
        tx, number = self._tx, self._number
        (self._run,) = tx.runs([number])
        self._stages = {stage.ref: stage for stage in tx.stages_of(number)}
        for task in tx.all_tasks(number):
            self._by_step[task.step].append(task.ref)
            self._put(task)
        self._loaded = True

    def _timed(self) -> Iterator[TaskRow]:
        """The tasks whose timer is the end of something."""
        return chain(self._active.values(), self._awaiting.values())

    def _put(self, task: TaskRow) -> None:
        ref = task.ref
        self._tasks[ref] = task
        if task.state in _ACTIVE:
            self._active[ref] = task
        else:
            self._active.pop(ref, None)
        if task.state is TaskState.AWAITING_APPROVAL:
            self._awaiting[ref] = task
        else:
            self._awaiting.pop(ref, None)
        if task.state is TaskState.READY:
            self._ready.add(task)
        else:
            self._ready.remove(ref)
