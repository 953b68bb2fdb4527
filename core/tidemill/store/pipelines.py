"""Pipelines that were applied, and their schedules."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, text, update

from tidemill.model.rows import (
    PipelineRow,
    RunRow,
    ScheduleRow,
)
from tidemill.store.access import Access
from tidemill.store.columns import (
    PIPELINE,
    RUN,
    SCHEDULE,
)

_CHANGES = [n for n in ScheduleRow._fields if n not in {"number", "pipeline", "identity"}]
_SAVE = (
    update(SCHEDULE)
    .where(SCHEDULE.c.number == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGES})
)
"""Made once: to put values into a statement takes longer than to run it."""


class Pipelines(Access):
    """The part of a transaction that is about pipelines and schedules."""

    def pipeline(self, name: str) -> PipelineRow | None:
        found = select(PIPELINE).where(PIPELINE.c.name == name)
        row = self._connection.execute(found).mappings().first()
        return None if row is None else PipelineRow(**row)

    def pipelines(self) -> list[PipelineRow]:
        rows = self._connection.execute(select(PIPELINE).order_by(PIPELINE.c.name)).mappings()
        return [PipelineRow(**row) for row in rows]

    def save_pipeline(self, row: PipelineRow) -> None:
        self._connection.execute(self._sql.save_pipeline, row._asdict())

    def lock_pipelines(self) -> None:
        if self._connection.dialect.name != "sqlite":  # its writers come one by one
            self._connection.execute(text("LOCK TABLE pipeline IN SHARE ROW EXCLUSIVE MODE"))

    def drop_pipeline(self, name: str) -> None:
        self._connection.execute(delete(PIPELINE).where(PIPELINE.c.name == name))

    def schedule(self, number: int) -> ScheduleRow | None:
        found = select(SCHEDULE).where(SCHEDULE.c.number == number).with_for_update()
        row = self._connection.execute(found).mappings().first()
        return None if row is None else ScheduleRow(**row)

    def schedules_of(self, pipeline: str) -> list[ScheduleRow]:
        found = select(SCHEDULE).where(SCHEDULE.c.pipeline == pipeline).order_by(SCHEDULE.c.number)
        found = found.with_for_update()  # a scheduler may be firing them
        return [ScheduleRow(**row) for row in self._connection.execute(found).mappings()]

    def add_schedule(self, row: ScheduleRow) -> None:
        values = {**row._asdict(), "spec": dict(row.spec)}
        del values["number"]  # the database gives it
        self._connection.execute(insert(SCHEDULE).values(values))

    def save_schedule(self, row: ScheduleRow) -> None:
        values = {f"new_{name}": getattr(row, name) for name in _CHANGES}
        values |= {"of": row.number, "new_spec": dict(row.spec)}
        self._connection.execute(_SAVE, values)

    def drop_schedule(self, number: int) -> None:
        self._connection.execute(delete(SCHEDULE).where(SCHEDULE.c.number == number))

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        values = {"now": now, "limit": limit}
        rows = self._connection.execute(self._sql.due_schedules, values).mappings()
        return [ScheduleRow(**row) for row in rows]

    def open_runs_of(self, schedule: int) -> list[int]:
        return [
            number
            for (number,) in self._connection.execute(
                self._sql.open_runs_of, {"schedule": schedule}
            )
        ]

    def take_ahead(self, schedule: int, now: float) -> list[RunRow]:
        found = [self._read.run(row) for row in self._fetch("ahead", schedule=schedule, now=now)]
        numbers = [run.number for run in found]
        self._connection.execute(update(RUN).where(RUN.c.number.in_(numbers)).values(schedule=None))
        return found

    def is_fired(self, schedule: int, due_at: float) -> bool:
        values = {"schedule": schedule, "due_at": due_at}
        return self._connection.execute(self._sql.fired, values).first() is not None
