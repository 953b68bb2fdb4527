"""Ready tasks in the order of dispatch, in memory: by their place in line, then by place
in the run.

What is asked for costs what is taken, however many tasks are ready and however many of
them belong to stages that are full.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection

from tidemill.model.rows import StageRef, TaskRef, TaskRow

_Entry = tuple[float, TaskRef]
"""(place, task): in the order of dispatch within a stage."""

_Head = tuple[float, TaskRef, int]
"""(place, task, step): the first ready task of a stage. Stale ones are dropped
when they come up."""


class ReadyTasks:
    def __init__(self) -> None:
        self._tasks: dict[TaskRef, TaskRow] = {}
        self._later: dict[TaskRef, TaskRow] = {}
        self._stages: dict[StageRef, list[_Entry]] = {}
        self._heads: list[_Head] = []

    def add(self, task: TaskRow) -> None:
        self._tasks[task.ref] = self._later[task.ref] = task

    def remove(self, ref: TaskRef) -> None:
        self._tasks.pop(ref, None)
        self._later.pop(ref, None)

    def timers(self) -> list[float]:
        """From when those may be dispatched that are not known to be due."""
        return [task.run_at for task in self._later.values() if task.run_at is not None]

    def first(
        self, now: float, limit: int, full: Collection[StageRef], full_runs: Collection[int]
    ) -> list[TaskRef]:
        """At most `limit` tasks that are due, none of a stage or run that is full."""
        self._admit(now)
        taken: list[tuple[_Entry, StageRef]] = []
        seen: set[StageRef] = set()
        lines: list[tuple[float, TaskRef, StageRef]] = []
        """The first of each stage that is open, as far as it has not been taken."""
        while len(taken) < limit and (self._heads or lines):
            if self._heads and (not lines or self._heads[0][:2] <= lines[0][:2]):
                opened = self._open(seen)
                if opened is not None and opened not in full and opened.run not in full_runs:
                    heapq.heappush(lines, (*self._stages[opened][0], opened))
            elif lines:
                place, task, ref = heapq.heappop(lines)
                taken.append(((place, task), ref))
                self._pass(self._stages[ref])
                if self._stages[ref]:
                    heapq.heappush(lines, (*self._stages[ref][0], ref))
        self._put_back(taken, seen)
        return [task for (_, task), _ in taken]

    def _open(self, seen: set[StageRef]) -> StageRef | None:
        """The stage whose head comes first, if it is not known yet."""
        place, head, step = heapq.heappop(self._heads)
        ref = StageRef(head.run, step)
        stage = self._stages[ref]
        self._drop_stale(stage)
        if ref in seen or not stage:
            return None
        if (place, head) != stage[0]:
            heapq.heappush(self._heads, (*stage[0], step))
            return None
        seen.add(ref)
        return ref

    def _pass(self, stage: list[_Entry]) -> None:
        """Leaves out the first; a retried task may stand there twice."""
        first = heapq.heappop(stage)
        while stage and (stage[0] == first or self._is_stale(*stage[0])):
            heapq.heappop(stage)

    def _put_back(self, taken: list[tuple[_Entry, StageRef]], seen: set[StageRef]) -> None:
        """They stay until they change."""
        for entry, ref in taken:
            heapq.heappush(self._stages[ref], entry)
        for ref in seen:
            if self._stages[ref]:
                heapq.heappush(self._heads, (*self._stages[ref][0], ref.step))

    def _admit(self, now: float) -> None:
        """Moves what has become due into the order."""
        due = [t for t in self._later.values() if t.run_at is None or t.run_at <= now]
        for task in due:
            del self._later[task.ref]
            stage = self._stages.setdefault(StageRef(task.run, task.step), [])
            heapq.heappush(stage, (task.place, task.ref))
            if stage[0][1] == task.ref:
                heapq.heappush(self._heads, (task.place, task.ref, task.step))

    def _drop_stale(self, stage: list[_Entry]) -> None:
        while stage and self._is_stale(*stage[0]):
            heapq.heappop(stage)

    def _is_stale(self, place: float, ref: TaskRef) -> bool:
        task = self._tasks.get(ref)
        return task is None or ref in self._later or task.place != place
