"""Pipelines that were applied, and their schedules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select, text, update

from tidemill.model.rows import (
    PipelineRow,
    RunRow,
    ScheduleRow,
)
from tidemill.store.access import Access
from tidemill.store.batch import as_json
from tidemill.store.columns import (
    PIPELINE,
    RUN,
    SCHEDULE,
    SCHEDULE_CHANGES,
)


class Pipelines(Access):
    """The part of a transaction that is about pipelines and schedules."""

    def pipeline(self, name: str) -> PipelineRow | None:
        found = select(PIPELINE).where(PIPELINE.c.name == name)
        row = self._connection.execute(found).mappings().first()
        return None if row is None else PipelineRow(**row)

    def pipelines(self, names: Iterable[str] | None = None) -> list[PipelineRow]:
        if names is None:
            found = self._fetch("pipelines")
        else:
            found = self._select("pipelines_called", [(name,) for name in names])
        return [PipelineRow(*row) for row in found]

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

    def save_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        rows = [row._replace(spec=as_json(row.spec)) for row in rows]  # type: ignore[arg-type]
        values = [(row.number, *(getattr(row, name) for name in SCHEDULE_CHANGES)) for row in rows]
        self._update("save_schedules", values)

    def drop_schedule(self, number: int) -> None:
        self._connection.execute(delete(SCHEDULE).where(SCHEDULE.c.number == number))

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        values = {"now": now, "limit": limit}
        rows = self._connection.execute(self._sql.due_schedules, values).mappings()
        return [ScheduleRow(**row) for row in rows]

    def open_runs_of(self, schedules: Iterable[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for schedule, number in self._select("open_runs_of", [(each,) for each in schedules]):
            found.setdefault(schedule, []).append(number)
        return found

    def take_ahead(self, schedule: int, now: float) -> list[RunRow]:
        found = [self._read.run(row) for row in self._fetch("ahead", schedule=schedule, now=now)]
        numbers = [run.number for run in found]
        self._connection.execute(update(RUN).where(RUN.c.number.in_(numbers)).values(schedule=None))
        return found

    def latest_due(self, schedules: Iterable[int]) -> dict[int, float]:
        found = self._select("latest_due", [(each,) for each in schedules])
        return {schedule: at for schedule, at in found if at is not None}
