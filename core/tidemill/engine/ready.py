"""Ready tasks in the order of dispatch, in memory: by priority, then by place in the run.

What is asked for costs what is taken, however many tasks are ready and however many of
them belong to stages that are full.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection

from tidemill.model.rows import TaskRef, TaskRow

_Head = tuple[int, int, int]
"""(priority, ordinal, step): the first ready task of a stage. Stale ones are dropped
when they come up."""


class ReadyTasks:
    def __init__(self) -> None:
        self._tasks: dict[TaskRef, TaskRow] = {}
        self._later: dict[TaskRef, TaskRow] = {}
        self._stages: dict[int, list[tuple[int, int, TaskRef]]] = {}
        self._heads: list[_Head] = []

    def add(self, task: TaskRow) -> None:
        self._tasks[task.ref] = self._later[task.ref] = task

    def remove(self, ref: TaskRef) -> None:
        self._tasks.pop(ref, None)
        self._later.pop(ref, None)

    def timers(self) -> list[float]:
        """From when those may be dispatched that are not known to be due."""
        return [task.run_at for task in self._later.values() if task.run_at is not None]

    def first(self, now: float, limit: int, full: Collection[int]) -> list[TaskRef]:
        """At most `limit` tasks that are due, none of a step in `full`."""
        self._admit(now)
        taken: list[TaskRef] = []
        seen: set[int] = set()
        while self._heads and len(taken) < limit:
            priority, ordinal, step = heapq.heappop(self._heads)
            stage = self._stages[step]
            self._drop_stale(stage)
            if step in seen or not stage:
                continue
            if (priority, ordinal) != stage[0][:2]:
                heapq.heappush(self._heads, (*stage[0][:2], step))
                continue
            seen.add(step)
            if step not in full:
                taken.extend(self._of_stage(stage, limit - len(taken)))
        for step in seen:
            if self._stages[step]:
                heapq.heappush(self._heads, (*self._stages[step][0][:2], step))
        return taken

    def _admit(self, now: float) -> None:
        """Moves what has become due into the order."""
        due = [t for t in self._later.values() if t.run_at is None or t.run_at <= now]
        for task in due:
            del self._later[task.ref]
            stage = self._stages.setdefault(task.step, [])
            heapq.heappush(stage, (task.priority, task.ordinal, task.ref))
            if stage[0][2] == task.ref:
                heapq.heappush(self._heads, (task.priority, task.ordinal, task.step))

    def _of_stage(self, stage: list[tuple[int, int, TaskRef]], limit: int) -> list[TaskRef]:
        """The first tasks of a stage, which stay in it until they change."""
        found: list[tuple[int, int, TaskRef]] = []
        while stage and len(found) < limit:
            entry = heapq.heappop(stage)
            if not found or entry != found[-1]:  # a retried task may stand there twice
                found.append(entry)
            self._drop_stale(stage)
        for entry in found:
            heapq.heappush(stage, entry)
        return [ref for _, _, ref in found]

    def _drop_stale(self, stage: list[tuple[int, int, TaskRef]]) -> None:
        while stage and (stage[0][2] not in self._tasks or stage[0][2] in self._later):
            heapq.heappop(stage)
