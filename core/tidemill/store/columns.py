"""The columns and conditions that statements are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Table,
    TypeDecorator,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from tidemill.model.rows import ExpansionRow, RunRow, ScheduleRow, StageRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.store import tables
from tidemill.store.tables import (
    Approval,
    Arrival,
    Attempt,
    Backfill,
    Condemned,
    Cordon,
    Duration,
    Expansion,
    Held,
    Outbox,
    Pipeline,
    Run,
    Schedule,
    Signal,
    Stage,
    Task,
    Trigger,
    Version,
    Worker,
)

BACKFILL: Table = Backfill.__table__  # type: ignore[attr-defined]
VERSION: Table = Version.__table__  # type: ignore[attr-defined]
RUN: Table = Run.__table__  # type: ignore[attr-defined]
CONDEMNED: Table = Condemned.__table__  # type: ignore[attr-defined]
STAGE: Table = Stage.__table__  # type: ignore[attr-defined]
EXPANSION: Table = Expansion.__table__  # type: ignore[attr-defined]
TASK: Table = Task.__table__  # type: ignore[attr-defined]
ATTEMPT: Table = Attempt.__table__  # type: ignore[attr-defined]
APPROVAL: Table = Approval.__table__  # type: ignore[attr-defined]
OUTBOX: Table = Outbox.__table__  # type: ignore[attr-defined]
PIPELINE: Table = Pipeline.__table__  # type: ignore[attr-defined]
SCHEDULE: Table = Schedule.__table__  # type: ignore[attr-defined]
SIGNAL: Table = Signal.__table__  # type: ignore[attr-defined]
DURATION: Table = Duration.__table__  # type: ignore[attr-defined]
WORKER: Table = Worker.__table__  # type: ignore[attr-defined]
TRIGGER: Table = Trigger.__table__  # type: ignore[attr-defined]
ARRIVAL: Table = Arrival.__table__  # type: ignore[attr-defined]
HELD: Table = Held.__table__  # type: ignore[attr-defined]
CORDON: Table = Cordon.__table__  # type: ignore[attr-defined]


def kinds(table: Table, names: Iterable[str]) -> dict[str, type]:
    """Columns, with the types of what is put into them: a batch's (`Dialected._rows`)."""
    return {name: _kind(table.c[name].type) for name in names}


def _kind(of: TypeEngine[Any]) -> type:
    plain = of.impl_instance if isinstance(of, TypeDecorator) else of
    return dict if isinstance(plain, JSON) else plain.python_type


TASK_CHANGES = {
    "state": str,
    "run_at": float,
    "fence": int,
    "attempt": int,
    "started_at": float,
    "ended_at": float,
    "exit_code": int,
    "detail": str,
    "outputs": dict,
    "cached_from": int,
    "child": int,
    "worker": str,
    "epoch": str,
    "ready_at": float,
    "place": float,
    "lane": int,
    "target": str,
    "priority": int,
}
ATTEMPT_COLUMNS = {
    "run": int,
    "ordinal": int,
    "fence": int,
    "number": int,
    "worker": str,
    "started_at": float,
    "ended_at": float,
    "outcome": str,
    "exit_code": int,
    "signal": int,
    "detail": str,
    "cpu_seconds": float,
    "peak_memory": int,
    "cache": dict,
}
WORKER_COLUMNS = {
    "name": str,
    "pool": str,
    "slots": int,
    "region": str,
    "labels": dict,
    "draining": bool,
    "heard_at": float,
    "resources": dict,
}
SCHEDULE_CHANGES = kinds(
    SCHEDULE, [n for n in ScheduleRow._fields if n not in {"number", "pipeline", "identity"}]
)
STAGE_CHANGES = dict.fromkeys(("waiting_on", "open", "failed", "skipped", "unmet", "tasks"), int)


RUN_COLUMNS = [RUN.c[name] for name in RunRow._fields]
STAGE_COLUMNS = [STAGE.c[name] for name in StageRow._fields]
EXPANSION_COLUMNS = [EXPANSION.c[name] for name in ExpansionRow._fields]
TASK_COLUMNS = [TASK.c[name] for name in TaskRow._fields]
"""In the order of the rows' fields."""

NEW_RUN = [name for name in RunRow._fields if name != "number"]  # the database gives it


def _words(condition: str) -> ColumnElement[bool]:
    """The very words of a partial index, so that it is used."""
    return literal_column(f"({_qualified(condition)})")


def _qualified(condition: str) -> str:
    for column in ("state", "run_at", "pool"):
        condition = condition.replace(f"{column} ", f"task.{column} ")
    return condition


READY, ACTIVE, LIMITED, TIMED = map(
    _words, (tables.READY, tables.ACTIVE, tables.LIMITED, tables.TIMED)
)
OPEN: ColumnElement[bool] = literal_column(f"run.{tables.OPEN}")
AWAITING: ColumnElement[bool] = literal_column(
    f"task.state = '{TaskState.AWAITING_APPROVAL.value}'"
)


def words_of(states: Iterable[TaskState | RunState]) -> list[ColumnElement[str]]:
    """States as they stand in the text of a statement: they are no parameters."""
    return [literal_column(f"'{state.value}'") for state in states]


LEASED = words_of((TaskState.RESERVED, TaskState.RUNNING))
"""States in which a worker has a lease."""
