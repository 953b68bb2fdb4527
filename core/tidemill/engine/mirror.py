"""The rows of a run and of those below it in memory, for the one scheduler that drives
them and nothing else.

Whoever holds a run alone (on a laptop: under the lock of the run) need not ask the
database for what it has just written there. A mirror stands before a transaction: it
reads the run once, answers reads itself, and hands all writes on, at the end of the
transaction and merged, so that a turn costs a handful of statements. New runs alone are
written at once, since the database gives them their numbers; what other runs hold is
read from there.

It is a cache and no more: a transaction that fails leaves it void, and a write that
meets another state than expected (somebody asked for a cancel) says so, and it is read
anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

from tidemill.engine.ledger import ACTIVE_STATES, IN_LINE_STATES, queue_at_work
from tidemill.engine.ready import ReadyTasks
from tidemill.model.rows import (
    AlarmRow,
    AttemptRow,
    AtWork,
    DecisionRow,
    DurationRow,
    EventRow,
    ExpansionRow,
    NoticeRow,
    Queue,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Hand, Lease, Transaction


class Mirror:
    """See the module. `over` puts it before a transaction; `write` ends its part."""

    def __init__(self, run: int) -> None:
        self._number = run
        self._tx: Transaction
        self._clear()

    def _clear(self) -> None:
        self._loaded = False
        self._runs: dict[int, RunRow] = {}
        self._stages: dict[StageRef, StageRow] = {}
        self._tasks: dict[TaskRef, TaskRow] = {}
        self._by_run: dict[int, list[StageRef]] = defaultdict(list)
        self._by_stage: dict[StageRef, list[TaskRef]] = defaultdict(list)
        self._active: dict[TaskRef, TaskRow] = {}
        self._awaiting: dict[TaskRef, TaskRow] = {}
        self._ready = ReadyTasks()
        self._alarms: dict[tuple[int, int, str], AlarmRow] = {}
        self._changed: dict[TaskRef, TaskRow] = {}
        self._changed_stages: set[StageRef] = set()
        self._runs_before: dict[int, RunRow] = {}
        self._attempts: list[AttemptRow] = []
        self._events: list[EventRow] = []
        self._expansions: list[ExpansionRow] = []
        self._new: list[TaskRef] = []

    def forget(self) -> None:
        """Reads everything again at the next transaction."""
        self._clear()

    def over(self, tx: Transaction, *, reread_runs: bool) -> Mirror:
        self._tx = tx
        if not self._loaded:
            self._load()
        elif reread_runs:
            self._runs |= {row.number: row for row in tx.runs(self._runs)}
        return self

    def write(self) -> None:
        """Hands on what was written since `over`."""
        tx, tasks = self._tx, self._tasks
        if self._expansions:
            tx.expand(self._expansions, [tasks[ref] for ref in self._new])
            self._changed = {r: row for r, row in self._changed.items() if r not in set(self._new)}
        with tx.together():
            if self._changed:
                tx.save_tasks([(before, tasks[ref]) for ref, before in self._changed.items()])
            if self._changed_stages:
                tx.save_stages([self._stages[ref] for ref in sorted(self._changed_stages)])
            if self._runs_before:
                tx.save_runs([(before, self._runs[n]) for n, before in self._runs_before.items()])
            if self._attempts:
                tx.save_attempts(self._attempts)
            if self._events:
                tx.record(self._events)
        self._changed, self._changed_stages, self._runs_before = {}, set(), {}
        self._attempts, self._events = [], []
        self._expansions, self._new = [], []

    # reading

    def take(
        self,
        runs: Iterable[int],
        tasks: Iterable[TaskRef] = (),
        stages: Iterable[StageRef] = (),
        tasks_of: Iterable[StageRef] = (),
    ) -> Hand:
        """Nobody else changes what is mirrored, and all of it is at hand."""
        del runs, tasks, stages, tasks_of
        return Hand([], [], [], self.active())

    def together(self) -> AbstractContextManager[None]:
        """All is written at the end."""
        return nullcontext()

    def runs(self, numbers: Iterable[int]) -> list[RunRow]:
        wanted = set(numbers)
        others = wanted - self._runs.keys()
        found = [self._runs[number] for number in sorted(wanted - others)]
        return [*found, *self._tx.runs(others)] if others else found

    def family(self, run: int) -> list[RunRow]:
        del run
        below = [row for row in self._runs.values() if row.number != self._number]
        return [self._runs[self._number], *(row for row in below if not row.state.ended)]

    def child(self, run: int, key: str) -> int | None:
        return self._tx.child(run, key)

    def definition(self, digest: str) -> bytes:
        return self._tx.definition(digest)

    def definitions(self, digests: Iterable[str]) -> dict[str, bytes]:
        return self._tx.definitions(digests)

    def tell(self, rows: Sequence[NoticeRow]) -> None:
        self._tx.tell(rows)

    def end_before(self, run: RunRow) -> RunState | None:
        return self._tx.end_before(run)

    def stages(self, refs: Iterable[StageRef]) -> list[StageRow]:
        return [self._stages[ref] for ref in refs]

    def stages_of(self, run: int) -> list[StageRow]:
        return [self._stages[ref] for ref in self._by_run[run]]

    def tasks(self, refs: Iterable[TaskRef]) -> list[TaskRow]:
        return [self._tasks[ref] for ref in refs if ref in self._tasks]

    def tasks_of(self, stages: Iterable[StageRef]) -> list[TaskRow]:
        return [self._tasks[ref] for stage in stages for ref in self._by_stage[stage]]

    def open_tasks(self, run: int) -> list[TaskRow]:
        return [task for task in self.all_tasks(run) if not task.state.ended]

    def all_tasks(self, run: int) -> list[TaskRow]:
        if run not in self._runs:
            return self._tx.all_tasks(run)
        refs = sorted(ref for stage in self._by_run[run] for ref in self._by_stage[stage])
        return [self._tasks[ref] for ref in refs]

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

    def due(self, now: float) -> list[TaskRow]:
        return [t for t in self._timed() if t.run_at is not None and t.run_at <= now]

    def next_due(self, now: float) -> float | None:
        timers = [t.run_at for t in self._timed() if t.run_at is not None]
        timers += self._ready.timers()
        timers += [row.at for row in self._alarms.values()]
        return min((at for at in timers if at > now), default=None)

    def active(self) -> AtWork:
        found = map(queue_at_work, self._active.values())
        queues = Counter(queue for queue in found if queue is not None)
        return AtWork(dict(queues), self.limited(self._runs))

    def limited(self, runs: Iterable[int]) -> dict[StageRef, int]:
        wanted = set(runs)
        tasks = (t for t in self._active.values() if t.limited and t.run in wanted)
        return dict(Counter(StageRef(task.run, task.step) for task in tasks))

    def ready(
        self,
        now: float,
        limits: Mapping[Queue, int],
        full: Iterable[StageRef] = (),
        full_runs: Iterable[int] = (),
    ) -> list[TaskRow]:
        """Of all queues: who drives a run alone is the only pool that there is."""
        refs = self._ready.first(now, sum(limits.values()), set(full), set(full_runs))
        return [self._tasks[ref] for ref in refs]

    def durations(self, pipelines: Iterable[str]) -> list[DurationRow]:
        return self._tx.durations(pipelines)

    def learn(self, rows: Sequence[DurationRow]) -> None:
        self._tx.learn(rows)

    def lock(self, kind: str, names: Sequence[str]) -> None:
        """Whoever drives a run alone looks at no other."""

    def due_alarms(self, now: float, limit: int) -> list[AlarmRow]:
        due = [row for row in self._alarms.values() if row.at <= now]
        return sorted(due, key=lambda row: row.at)[:limit]

    def alarms(self, refs: Iterable[TaskRef]) -> list[AlarmRow]:
        wanted = set(refs)
        return [row for row in self._alarms.values() if row.ref in wanted]

    def alarms_of(self, runs: Iterable[int]) -> list[AlarmRow]:
        wanted = set(runs)
        return [row for row in self._alarms.values() if row.run in wanted]

    def open_runs_of(self, schedules: Iterable[int]) -> dict[int, list[int]]:
        return self._tx.open_runs_of(schedules)

    def decisions(self, run: int) -> list[DecisionRow]:
        if not self._awaiting:
            return []
        return [row for row in self._tx.decisions(run) if row.ref in self._awaiting]

    # writing

    def new_runs(self, runs: Sequence[RunRow]) -> list[int]:
        numbers = self._tx.new_runs(runs)
        for number, run in zip(numbers, runs, strict=True):
            self._runs[number] = run._replace(number=number)
        return numbers

    def known_definitions(self, digests: Iterable[str]) -> set[str]:
        return self._tx.known_definitions(digests)

    def add_definition(self, digest: str, pipeline: str, content: bytes, at: float) -> None:
        self._tx.add_definition(digest, pipeline, content, at)

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        self._tx.insert(stages, tasks)
        self._take(stages, tasks)

    def expand(self, rows: Sequence[ExpansionRow], tasks: Sequence[TaskRow]) -> None:
        self._expansions.extend(rows)
        self._new.extend(task.ref for task in tasks)
        self._take((), tasks)

    def save_runs(self, changes: Sequence[tuple[RunRow, RunRow]]) -> None:
        for before, after in changes:
            self._runs_before.setdefault(after.number, before)
            self._runs[after.number] = after

    def save_stages(self, rows: Sequence[StageRow]) -> None:
        for row in rows:
            self._stages[row.ref] = row
            self._changed_stages.add(row.ref)

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        for before, after in changes:
            self._changed.setdefault(after.ref, before)
            self._put(after)

    def renew(self, leases: Sequence[Lease], until: float) -> None:
        for ref, fence, worker in leases:
            task = self._active.get(ref)
            if task is None or task.state is not TaskState.RUNNING:
                continue
            if (task.fence, task.worker) == (fence, worker):
                self.save_tasks([(task, task._replace(run_at=until))])

    def set_alarms(self, rows: Sequence[AlarmRow]) -> None:
        self._alarms.update({row[:3]: row for row in rows})
        self._tx.set_alarms(rows)

    def drop_alarms(self, rows: Sequence[AlarmRow]) -> None:
        """Few are set, and many end: most of these are not there."""
        found = [row for row in rows if self._alarms.pop(row[:3], None) is not None]
        if found:
            self._tx.drop_alarms(found)

    def move_up(self, runs: Mapping[int, int], seconds: float) -> None:
        """What the ledger holds is moved there, and written with the rest."""
        for run, raised in runs.items():
            tasks = [t for t in self.open_tasks(run) if t.state in IN_LINE_STATES]
            moved = [(t, t._replace(place=t.place - seconds)) for t in tasks if t.priority > raised]
            self.save_tasks(moved)

    def save_attempts(self, rows: Sequence[AttemptRow]) -> None:
        self._attempts.extend(rows)

    def record(self, events: Sequence[EventRow]) -> None:
        self._events.extend(events)

    # inside

    def _load(self) -> None:
        for run in self._tx.family(self._number):
            self._runs[run.number] = run
            self._take(self._tx.stages_of(run.number), self._tx.all_tasks(run.number))
        self._alarms = {row[:3]: row for row in self._tx.alarms_of(self._runs)}
        self._loaded = True

    def _take(self, stages: Iterable[StageRow], tasks: Iterable[TaskRow]) -> None:
        """Rows that are new here."""
        for stage in stages:
            self._stages[stage.ref] = stage
            self._by_run[stage.run].append(stage.ref)
        for task in tasks:
            self._by_stage[StageRef(task.run, task.step)].append(task.ref)
            self._put(task)

    def _timed(self) -> Iterator[TaskRow]:
        """The tasks whose timer is the end of something."""
        return chain(self._active.values(), self._awaiting.values())

    def _put(self, task: TaskRow) -> None:
        ref = task.ref
        self._tasks[ref] = task
        if task.state in ACTIVE_STATES:
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
