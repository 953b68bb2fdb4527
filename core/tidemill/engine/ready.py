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
        taken: list[TaskRef] = []
        seen: set[StageRef] = set()
        while self._heads and len(taken) < limit:
            place, head, step = heapq.heappop(self._heads)
            ref = StageRef(head.run, step)
            stage = self._stages[ref]
            self._drop_stale(stage)
            if ref in seen or not stage:
                continue
            if (place, head) != stage[0]:
                heapq.heappush(self._heads, (*stage[0], step))
                continue
            seen.add(ref)
            if ref not in full and ref.run not in full_runs:
                taken.extend(self._of_stage(stage, limit - len(taken)))
        for ref in seen:
            if self._stages[ref]:
                heapq.heappush(self._heads, (*self._stages[ref][0], ref.step))
        return taken

    def _admit(self, now: float) -> None:
        """Moves what has become due into the order."""
        due = [t for t in self._later.values() if t.run_at is None or t.run_at <= now]
        for task in due:
            del self._later[task.ref]
            stage = self._stages.setdefault(StageRef(task.run, task.step), [])
            heapq.heappush(stage, (task.place, task.ref))
            if stage[0][1] == task.ref:
                heapq.heappush(self._heads, (task.place, task.ref, task.step))

    def _of_stage(self, stage: list[_Entry], limit: int) -> list[TaskRef]:
        """The first tasks of a stage, which stay in it until they change."""
        found: list[_Entry] = []
        while stage and len(found) < limit:
            entry = heapq.heappop(stage)
            if not found or entry != found[-1]:  # a retried task may stand there twice
                found.append(entry)
            self._drop_stale(stage)
        for entry in found:
            heapq.heappush(stage, entry)
        return [ref for _, ref in found]

    def _drop_stale(self, stage: list[_Entry]) -> None:
        while stage and self._is_stale(*stage[0]):
            heapq.heappop(stage)

    def _is_stale(self, place: float, ref: TaskRef) -> bool:
        task = self._tasks.get(ref)
        return task is None or ref in self._later or task.place != place
