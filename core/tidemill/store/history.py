"""Reading what has happened, for people: SQLModel on a connection that cannot write."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, exists, or_
from sqlmodel import col, select

from tidemill.model.rows import (
    WHOLE,
    AttemptRow,
    BackfillRow,
    CordonRow,
    ExpansionRow,
    LateRow,
    PipelineRow,
    RunRow,
    ScheduleRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.states import RunState
from tidemill.model.views import LATE_WORDS
from tidemill.store.row_values import run_row, task_row
from tidemill.store.tables import (
    Attempt,
    Backfill,
    Condemned,
    Cordon,
    Expansion,
    Outbox,
    Pipeline,
    Run,
    Schedule,
    Task,
    Version,
    Worker,
)
from tidemill.store.waiting import Waiting

_SEEN = ~exists().where(col(Condemned.run) == Run.number)


class SqlHistory(Waiting):
    def runs(
        self, limit: int, pipeline: str | None = None, *, above_all: bool = False
    ) -> list[RunRow]:
        """The latest runs, the newest first; `above_all` only those that are not part of
        another one."""
        query = select(Run).where(_SEEN).order_by(col(Run.number).desc()).limit(limit)
        if pipeline is not None:
            query = query.where(Run.pipeline == pipeline)
        if above_all:
            query = query.where(col(Run.parent).is_(None))
        return [run_row(run.model_dump()) for run in self._all(query)]

    def run(self, number: int) -> RunRow | None:
        found = self._all(select(Run).where(Run.number == number, _SEEN))
        return run_row(found[0].model_dump()) if found else None

    def tasks(self, number: int) -> list[TaskRow]:
        query = select(Task).where(Task.run == number).order_by(col(Task.ordinal))
        return [task_row(task.model_dump()) for task in self._all(query)]

    def attempts(self, ref: TaskRef) -> list[AttemptRow]:
        """All attempts of a task, in order."""
        query = select(Attempt).where(Attempt.run == ref.run, Attempt.ordinal == ref.ordinal)
        found = self._all(query.order_by(col(Attempt.fence)))
        return [AttemptRow(**attempt.model_dump()) for attempt in found]

    def earlier_lookup(self, pipeline: str, task: TaskRow, fence: int) -> AttemptRow | None:
        """The last attempt before this one of the task with this key, in any run of the
        pipeline, that looked into the cache."""
        before = or_(
            col(Attempt.run) < task.run,
            and_(col(Attempt.run) == task.run, col(Attempt.fence) < fence),
        )
        same = and_(col(Task.run) == Attempt.run, col(Task.ordinal) == Attempt.ordinal)
        query = (
            select(Attempt)
            .join(Task, same)
            .join(Run, col(Run.number) == Attempt.run)
            .where(Run.pipeline == pipeline, Task.key == task.key, before)
            .where(col(Attempt.cache).is_not(None))
            .order_by(col(Attempt.run).desc(), col(Attempt.fence).desc())
            .limit(1)
        )
        found = self._all(query)
        return AttemptRow(**found[0].model_dump()) if found else None

    def expansions(self, number: int) -> list[ExpansionRow]:
        """The lists of fan-outs that became known while the run went on."""
        rows = self._all(select(Expansion).where(Expansion.run == number))
        return [ExpansionRow(row.run, row.step, row.first, row.items) for row in rows]

    def late(self, numbers: Collection[int]) -> list[LateRow]:
        """What happened to deadlines in these runs, in order."""
        same = and_(col(Task.run) == Outbox.run, col(Task.ordinal) == Outbox.ordinal)
        query = (
            select(Outbox, Task.key, Run.state)
            .join(Run, col(Run.number) == Outbox.run)
            .outerjoin(Task, same)
            .where(col(Outbox.run).in_(numbers), col(Outbox.kind).in_(LATE_WORDS))
            .order_by(col(Outbox.seq))
        )
        return [
            LateRow(
                row.at,
                row.kind,
                row.run,
                WHOLE if row.ordinal is None else row.ordinal,
                key or "",
                str(row.data.get("detail", "")),
                RunState(state),
            )
            for row, key, state in self._all(query)
        ]

    def definition(self, digest: str) -> bytes | None:
        """None where it was purged just now."""
        found = self._all(select(Version).where(Version.digest == digest))
        return bytes(found[0].content) if found else None

    def workers(self) -> list[tuple[WorkerRow, list[TaskRow]]]:
        """The workers that were heard of lately, with what they hold, and what was placed on
        them and has not begun."""
        held: dict[str, list[TaskRow]] = {}
        waits = and_(col(Task.state) == "queued", col(Task.target) != "")
        has = or_(col(Task.state).in_(("reserved", "running")), waits)
        running = select(Task).where(has, col(Task.pool).is_not(None))
        for task in self._all(running.order_by(col(Task.run), col(Task.ordinal))):
            held.setdefault(task.target or task.worker, []).append(task_row(task.model_dump()))
        found = self._all(select(Worker).order_by(col(Worker.name)))
        return [(WorkerRow(**row.model_dump()), held.get(row.name, [])) for row in found]

    def cordons(self) -> list[CordonRow]:
        found = self._all(select(Cordon).order_by(col(Cordon.worker)))
        return [CordonRow(**row.model_dump()) for row in found]

    def schedules(self, pipeline: str | None = None) -> list[ScheduleRow]:
        """Of a pipeline, or of all, by their pipelines' names."""
        query = select(Schedule).order_by(col(Schedule.pipeline), col(Schedule.number))
        if pipeline is not None:
            query = query.where(Schedule.pipeline == pipeline)
        return [ScheduleRow(**row.model_dump()) for row in self._all(query)]

    def backfills(self) -> list[BackfillRow]:
        found = self._all(select(Backfill).order_by(col(Backfill.number)))
        return [BackfillRow(**row.model_dump()) for row in found]

    def pipelines(self) -> list[PipelineRow]:
        found = self._all(select(Pipeline).order_by(col(Pipeline.name)))
        return [PipelineRow(**row.model_dump()) for row in found]
