"""The ledger of one transaction: rows as they were and as they become.

Every change of state goes through `Ledger.move`, which asks the transition table and
carries out its effects on the row. What was touched is written at the end, each kind
of row in one statement.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from tidemill.model.rows import (
    NO_WORKER,
    WHOLE,
    AlarmRow,
    AttemptRow,
    AtWork,
    EventRow,
    ExpansionRow,
    LateRow,
    Queue,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.model.states import TaskState
from tidemill.model.transitions import Effect, RunEvent, TaskEvent, move_run, move_task
from tidemill.ports import Turn


class Ledger:
    """Collects the changes of one transaction at the time `now`."""

    def __init__(self, now: float, lease: float) -> None:
        self.now = now
        self.lease = lease
        self.ended: list[TaskRow] = []
        """Tasks that ended and whose stages have not been looked at yet."""
        self.ended_children: list[RunRow] = []
        """Runs that ended and whose parents' tasks have not been looked at yet."""
        self.moved_runs: list[RunRow] = []
        """Runs whose state changed, as they were then, in order."""
        self.asked: list[TaskRow] = []
        """Tasks that began to wait for people."""
        self.changed: dict[TaskRef, TaskRow] = {}
        """Every task that changed, for those who watch; in order of the first change."""
        self.changed_runs: dict[int, RunRow] = {}
        self.made: list[int] = []
        """Runs that were made in this transaction."""
        self.hushed: list[TaskRef] = []
        """What ended that may have alarms, which have not been looked at yet."""
        self.stopping: set[TaskRef] = set()
        """Tasks that were told to stop because their deadline has passed."""
        self.late: list[LateRow] = []
        """What happened to deadlines, in order; the first so many are `noted` already."""
        self.noted = 0
        self.told = False
        """Whether something was written that people are to be told."""
        self.alarm_times: list[float] = []
        """When alarms are to ring that were set in this transaction."""
        self._alarms: dict[_AlarmKey, AlarmRow] = {}
        self._dropped: dict[_AlarmKey, AlarmRow] = {}
        self._tasks: dict[TaskRef, TaskRow] = {}
        self._before: dict[TaskRef, TaskRow] = {}
        self._stages: dict[StageRef, StageRow] = {}
        self._dirty_stages: set[StageRef] = set()
        self._runs: dict[int, RunRow] = {}
        self._runs_before: dict[int, RunRow] = {}
        self._attempts: list[AttemptRow] = []
        self._events: list[EventRow] = []
        self._new: dict[TaskRef, None] = {}
        self._expansions: list[ExpansionRow] = []

    # what is known

    def add_tasks(self, rows: Iterable[TaskRow]) -> None:
        """Rows that were read. What the ledger holds already is newer, and stays."""
        for row in rows:
            self._tasks.setdefault(row.ref, row)

    def add_stages(self, rows: Iterable[StageRow]) -> None:
        for row in rows:
            self._stages.setdefault(row.ref, row)

    def add_runs(self, rows: Iterable[RunRow]) -> None:
        for row in rows:
            self._runs.setdefault(row.number, row)

    def newest(self, rows: Iterable[TaskRow]) -> list[TaskRow]:
        """Rows that were read, as they are by now."""
        rows = list(rows)
        self.add_tasks(rows)
        return [self._tasks[row.ref] for row in rows]

    def task(self, ref: TaskRef) -> TaskRow | None:
        return self._tasks.get(ref)

    def tasks(self) -> list[TaskRow]:
        return list(self._tasks.values())

    def stage(self, ref: StageRef) -> StageRow:
        return self._stages[ref]

    def stages(self) -> list[StageRow]:
        return list(self._stages.values())

    def run(self, number: int) -> RunRow:
        return self._runs[number]

    def runs(self) -> list[RunRow]:
        return list(self._runs.values())

    def missing_runs(self, numbers: Iterable[int]) -> list[int]:
        return [number for number in set(numbers) if number not in self._runs]

    def missing_stages(self, refs: Iterable[StageRef]) -> list[StageRef]:
        return [ref for ref in dict.fromkeys(refs) if ref not in self._stages]

    # what is stored, and what has changed since

    def active(self, stored: AtWork) -> AtWork:
        """What is offered or at work, of which `stored` is stored as such."""
        queues = Counter(stored.queues)
        for before, row in self._unwritten():
            for of, change in ((before, -1), (row, 1)):
                queue = None if of is None else queue_at_work(of)
                if queue is not None:
                    queues[queue] += change
        return AtWork(dict(+queues), self.limited(stored.stages))

    def limited(self, stored: Mapping[StageRef, int]) -> dict[StageRef, int]:
        """The same of stages that are limited."""
        stages = Counter(stored)
        for before, row in self._unwritten():
            if row.limited:
                was = before is not None and before.state in ACTIVE_STATES
                stages[StageRef(row.run, row.step)] += (row.state in ACTIVE_STATES) - was
        return dict(+stages)

    def ready(
        self,
        stored: Callable[[Mapping[Queue, int]], Iterable[TaskRow]],
        limits: Mapping[Queue, int],
        queue_of: Callable[[TaskRow], Queue | None],
    ) -> list[TaskRow]:
        """Ready tasks, at most so many of each queue, by their place in line. `stored` reads
        the first of those that are stored as ready; `queue_of` says of which queue a task is,
        and None of one that is not wanted now."""
        here: dict[Queue, list[TaskRow]] = {queue: [] for queue in limits}
        outdated: Counter[Queue] = Counter()
        for before, row in self._unwritten():
            queue = queue_of(row)
            if queue in here:
                outdated[queue] += before is not None and before.state is TaskState.READY
                here[queue] += [row] if self._is_due(row) else []
        for row in stored({queue: limit + outdated[queue] for queue, limit in limits.items()}):
            queue = queue_of(row)
            if queue in here and not self._is_unwritten(row.ref):
                here[queue].append(row)
        first = [
            row
            for queue, limit in limits.items()
            for row in heapq.nsmallest(limit, here[queue], key=_by_place)
        ]
        return sorted(first, key=_by_place)

    def still_open(self, numbers: Iterable[int]) -> list[int]:
        """Without the runs that have ended since it was read that these are open."""
        return [n for n in numbers if n not in self._runs or not self._runs[n].state.ended]

    def _unwritten(self) -> Iterator[tuple[TaskRow | None, TaskRow]]:
        """Tasks that are not stored as they are by now, after what is."""
        for ref in self._new:
            yield None, self._tasks[ref]
        for ref, before in self._before.items():
            if ref not in self._new:
                yield before, self._tasks[ref]

    def _is_unwritten(self, ref: TaskRef) -> bool:
        return ref in self._before or ref in self._new

    def _is_due(self, row: TaskRow) -> bool:
        return row.state is TaskState.READY and row.run_at is not None and row.run_at <= self.now

    # what changes

    def move(
        self, row: TaskRow, event: TaskEvent, *, wait_until: float | None = None, **fields: Any
    ) -> TaskRow:
        """The task changes state. `wait_until` is the timer where it has to wait, or
        may wait no longer.

        Raises:
            IllegalTransitionError: the table has no such entry.
        """
        state, effects = move_task(row.state, event)
        if Effect.NEW_FENCE in effects:
            fields["fence"] = row.fence + 1
        if Effect.NEW_ATTEMPT in effects:
            fields["attempt"] = row.attempt + 1
        if Effect.UNCOUNT in effects:
            fields["attempt"] = row.attempt - 1
        if Effect.LEASE in effects:
            fields["run_at"] = self.now + self.lease
        if Effect.WAIT in effects:
            fields["run_at"] = self.now if wait_until is None else wait_until
        if Effect.LIMIT in effects:
            fields["run_at"] = wait_until
        if Effect.END in effects:
            fields["run_at"] = None
            fields.setdefault("ended_at", self.now)
        after = row._replace(state=state, **fields)
        self._put(row, after)
        if Effect.END in effects:
            self.ended.append(after)
        if state is TaskState.AWAITING_APPROVAL:
            self.asked.append(after)
        said = {"detail": fields["detail"]} if fields.get("detail") else {}
        self.record("task", row.run, row.ordinal, state=state.value, attempt=after.attempt, **said)
        return after

    def say(self, row: TaskRow, detail: str) -> None:
        """Why it can go nowhere, or that it can."""
        self._put(row, row._replace(detail=detail))
        if detail:
            self.record("unplaceable", row.run, row.ordinal, detail=detail)

    def place(self, row: TaskRow, stands: Mapping[str, Any]) -> None:
        """It stands in line, or stands there anew: see `Standing.stand`."""
        self._put(row, row._replace(**stands))

    def raise_task(self, row: TaskRow, seconds: float) -> None:
        """Its priority is one rank higher, as far as there is a higher one."""
        row = self._tasks.get(row.ref, row)
        if row.priority > self._runs[row.run].raised:
            place = row.place - seconds if row.state in IN_LINE_STATES else row.place
            self._put(row, row._replace(priority=row.priority - 1, place=place))

    def move_up(self, runs: Mapping[int, int], seconds: float) -> None:
        """As `Turn.move_up`, for the rows that are held here; those that are stored have been
        moved."""
        for ref, row in self._tasks.items():
            if ref.run in runs and row.state in IN_LINE_STATES and row.priority > runs[ref.run]:
                self._tasks[ref] = row._replace(place=row.place - seconds)
                if ref in self.changed:
                    self.changed[ref] = self._tasks[ref]

    def set_alarm(self, row: AlarmRow) -> None:
        self._alarms[row[:3]] = row
        self._dropped.pop(row[:3], None)
        self.alarm_times.append(row.at)

    def drop_alarm(self, row: AlarmRow) -> None:
        self._alarms.pop(row[:3], None)
        self._dropped[row[:3]] = row

    def alarms_of(self, refs: Collection[TaskRef], stored: Iterable[AlarmRow]) -> list[AlarmRow]:
        """The alarms of these as they are by now: of those that are stored, and those that are
        to be."""
        found = {row[:3]: row for row in stored if row[:3] not in self._dropped}
        found |= {key: row for key, row in self._alarms.items() if row.ref in refs}
        return list(found.values())

    def hold(self, row: TaskRow, until: float | None) -> None:
        """It may not be dispatched before that time."""
        self._put(row, row._replace(run_at=until))

    def push_timer(self, row: TaskRow) -> None:
        """Believes a dispatch for another lease."""
        self._put(row, row._replace(run_at=self.now + self.lease))

    def move_run(self, number: int, event: RunEvent, **fields: Any) -> RunRow:
        run = self._runs[number]
        state = move_run(run.state, event)
        if state.ended:
            fields["ended_at"] = self.now
        after = self.set_run(run._replace(state=state, **fields))
        if state.ended and after.parent is not None:
            self.ended_children.append(after)
        if state.ended and after.deadline_at is not None:
            self.hushed.append(TaskRef(number, WHOLE))
        self.moved_runs.append(after)
        said = {"detail": after.detail} if after.detail else {}
        self.record("run", number, None, state=state.value, **said)
        return after

    def set_run(self, after: RunRow) -> RunRow:
        before = self._runs[after.number]
        self._runs_before.setdefault(after.number, before)
        self._runs[after.number] = self.changed_runs[after.number] = after
        return after

    def set_stage(self, row: StageRow) -> None:
        self._stages[row.ref] = row
        self._dirty_stages.add(row.ref)

    def add_new(self, expansion: ExpansionRow, tasks: Iterable[TaskRow]) -> None:
        """Tasks that are made, of a list that has become known."""
        self._expansions.append(expansion)
        for task in tasks:
            self._tasks[task.ref] = task
            self._new[task.ref] = None

    def add_made(self, run: RunRow, tasks: Iterable[TaskRow]) -> None:
        """A run that was made and stored in this transaction: news to those who watch."""
        self._runs[run.number] = self.changed_runs[run.number] = run
        self.made.append(run.number)
        if run.state.ended:
            self.told |= run.told
            self.ended_children.append(run)
        for task in tasks:
            self._tasks[task.ref] = self.changed[task.ref] = task

    def attempt(self, row: AttemptRow) -> None:
        self._attempts.append(row)

    def record(self, kind: str, run: int, ordinal: int | None, **data: Any) -> None:
        self._events.append(EventRow(self.now, kind, run, ordinal, data))

    def flush(self, tx: Turn) -> None:
        """Writes all that changed and was not written yet."""
        self._expand(tx)
        with tx.together():
            self._save_tasks(tx)
            self._save_runs(tx)
            stages, self._dirty_stages = self._dirty_stages, set()
            if stages:
                tx.save_stages([self._stages[ref] for ref in stages])
            attempts, self._attempts = self._attempts, []
            if attempts:
                tx.save_attempts(attempts)
            events, self._events = self._events, []
            if events:
                tx.record(events)
            self._save_alarms(tx)

    def _expand(self, tx: Turn) -> None:
        """Inserts tasks that were made."""
        new, self._new = self._new, {}
        expansions, self._expansions = self._expansions, []
        if expansions:
            tx.expand(expansions, [self._tasks[ref] for ref in new])
        for ref in new:
            self._before.pop(ref, None)

    def _save_alarms(self, tx: Turn) -> None:
        alarms, self._alarms = self._alarms, {}
        dropped, self._dropped = self._dropped, {}
        if dropped:
            tx.drop_alarms(list(dropped.values()))
        if alarms:
            tx.set_alarms(list(alarms.values()))

    def _save_tasks(self, tx: Turn) -> None:
        before, self._before = self._before, {}
        if before:
            tx.save_tasks([(row, self._tasks[ref]) for ref, row in before.items()])

    def _save_runs(self, tx: Turn) -> None:
        before, self._runs_before = self._runs_before, {}
        if before:
            tx.save_runs([(row, self._runs[number]) for number, row in before.items()])

    def take_new(self) -> tuple[list[StageRow], list[TaskRow]]:
        """For runs that are being made: all rows as they are now, to be inserted; the
        ledger forgets that they changed."""
        self._before.clear()
        self._dirty_stages.clear()
        self._new.clear()
        return self.stages(), self.tasks()

    def _put(self, before: TaskRow, after: TaskRow) -> None:
        ref = before.ref
        self._before.setdefault(ref, before)
        self._tasks[ref] = self.changed[ref] = after


def queue_at_work(row: TaskRow) -> Queue | None:
    """Whose room a task takes up, if it takes any: one that was handed over does not. Who
    drives a run alone has one pool for all."""
    alone = row.pool is None
    handed_over = row.state is TaskState.DELEGATED if alone else row.pool == NO_WORKER
    if row.state not in ACTIVE_STATES or handed_over:
        return None
    return Queue(row.pool or NO_WORKER, row.lane)


def _by_place(row: TaskRow) -> tuple[float, TaskRef]:
    return row.place, row.ref


ACTIVE_STATES = frozenset(
    {TaskState.QUEUED, TaskState.RESERVED, TaskState.RUNNING, TaskState.DELEGATED}
)
"""Those that take up room."""

IN_LINE_STATES = frozenset({TaskState.READY, *ACTIVE_STATES})
"""Those that stand in line, or come back to where they stood."""

_AlarmKey = tuple[int, int, str]

FAILED_STATES = frozenset(
    {TaskState.FAILED, TaskState.TIMED_OUT, TaskState.LOST, TaskState.CANCELLED}
)
