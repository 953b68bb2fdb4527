"""Reading what has happened, for people: SQLModel on a connection that cannot write."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from tidemill.model.rows import RunRow, TaskRow
from tidemill.store.database import said_in_words
from tidemill.store.tables import Run, Task, Version
from tidemill.store.transaction import run_row, task_row


class SqlHistory:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def runs(self, limit: int, pipeline: str | None = None) -> list[RunRow]:
        """The latest runs, the newest first."""
        query = select(Run).order_by(col(Run.number).desc()).limit(limit)
        if pipeline is not None:
            query = query.where(Run.pipeline == pipeline)
        return [run_row(run.model_dump()) for run in self._all(query)]

    def run(self, number: int) -> RunRow | None:
        found = self._all(select(Run).where(Run.number == number))
        return run_row(found[0].model_dump()) if found else None

    def tasks(self, number: int) -> list[TaskRow]:
        query = select(Task).where(Task.run == number).order_by(col(Task.ordinal))
        return [task_row(task.model_dump()) for task in self._all(query)]

    def definition(self, digest: str) -> bytes:
        found = self._all(select(Version).where(Version.digest == digest))
        return bytes(found[0].content)

    def close(self) -> None:
        self._engine.dispose()

    def _all(self, query: Any) -> list[Any]:
        with said_in_words(self._engine.url.database), Session(self._engine) as session:
            return list(session.exec(query).all())
