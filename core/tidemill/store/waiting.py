"""What stands before a task that waits, for people who ask."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import col, select

from tidemill.model.pools import HELD
from tidemill.model.rows import TaskRow
from tidemill.store.looking import Looking
from tidemill.store.tables import Run, Task

_AT_WORK = ("queued", "running", "delegated")


class Waiting(Looking):
    """The part of a history that tells why something waits."""

    def ahead(self, task: TaskRow) -> int:
        """How many ready tasks stand before it in the line of its pool."""
        query = select(func.count()).where(
            Task.state == "ready",
            Task.pool == task.pool,
            Task.lane != HELD,
            col(Task.place) < task.place,
        )
        return int(self._all(query)[0])

    def at_work_in(self, pool: str) -> int:
        query = select(func.count()).where(
            Task.pool == pool, col(Task.state).in_(("queued", "running"))
        )
        return int(self._all(query)[0])

    def at_work_of(self, run: int, step: int | None = None) -> int:
        """How many tasks of a run, or of one step of it, are at work or offered."""
        query = select(func.count()).where(Task.run == run, col(Task.state).in_(_AT_WORK))
        if step is not None:
            query = query.where(Task.step == step)
        return int(self._all(query)[0])

    def runs_at_work(self, pipeline: str) -> list[int]:
        going = col(Run.state).in_(("running", "cancelling"))
        query = select(Run.number).where(Run.pipeline == pipeline, going)
        return sorted(self._all(query))

    def open_runs_of(self, schedule: int) -> list[int]:
        query = select(Run.number).where(Run.schedule == schedule, col(Run.ended_at).is_(None))
        return sorted(self._all(query))
