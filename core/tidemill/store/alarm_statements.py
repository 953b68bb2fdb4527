"""The statements about alarms."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tidemill.model.rows import AlarmRow
from tidemill.model.states import TaskState
from tidemill.store.columns import RUN, TASK, words_of
from tidemill.store.dialected import Dialected
from tidemill.store.tables import Alarm

ALARM: Table = Alarm.__table__  # type: ignore[attr-defined]
ALARM_COLUMNS = [ALARM.c[name] for name in AlarmRow._fields]
_POOLED: ColumnElement[bool] = literal_column("alarm.pooled")
_IN_LINE = (TaskState.READY, TaskState.QUEUED, TaskState.RUNNING, TaskState.DELEGATED)
"""Tasks that stand in line, or come back to where they stood."""


class AlarmStatements(Dialected):
    @cached_property
    def due_alarms(self) -> Select[Any]:
        """Those of families that nobody else has in hand; these stay locked."""
        found = (
            select(*ALARM_COLUMNS)
            .where(_POOLED, ALARM.c.at <= bindparam("now"))
            .order_by(ALARM.c.at)
            .limit(bindparam("limit"))
        )
        if self._dialect == "sqlite":
            return found
        own, family = RUN.alias("own"), RUN.alias("family")
        found = found.join(own, own.c.number == ALARM.c.run).join(
            family, family.c.number == func.coalesce(own.c.root, own.c.number)
        )
        return found.with_for_update(of=[ALARM, family], skip_locked=True, key_share=True)

    @cached_property
    def next_alarm(self) -> Select[Any]:
        """Also one that is due, where somebody else has it in hand."""
        return select(ALARM.c.at).where(_POOLED).order_by(ALARM.c.at).limit(1)

    @cached_property
    def alarms(self) -> Select[Any]:
        rows = self._rows(run=int, ordinal=int)
        matches = and_(ALARM.c.run == rows.c.run, ALARM.c.ordinal == rows.c.ordinal)
        return select(*ALARM_COLUMNS).join(rows, matches)

    @cached_property
    def alarms_of_runs(self) -> Select[Any]:
        rows = self._rows(run=int)
        return select(*ALARM_COLUMNS).join(rows, ALARM.c.run == rows.c.run)

    @cached_property
    def set_alarms(self) -> Insert:
        kinds = {"run": int, "ordinal": int, "kind": str, "at": float, "pooled": bool}
        rows = self._rows(**kinds)
        # `WHERE true` keeps SQLite from reading ON CONFLICT as the join's condition.
        source = select(*[rows.c[name] for name in kinds]).where(literal_column("true"))
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        statement: Any = dialect.insert(ALARM).from_select(list(kinds), source)
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=["run", "ordinal", "kind"], set_={"at": statement.excluded.at}
        )
        return upsert

    @cached_property
    def drop_alarms(self) -> Delete:
        rows = self._rows(run=int, ordinal=int, kind=str)
        same = and_(
            rows.c.run == ALARM.c.run,
            rows.c.ordinal == ALARM.c.ordinal,
            rows.c.kind == ALARM.c.kind,
        )
        return delete(ALARM).where(select(1).where(same).exists())

    @cached_property
    def move_up(self) -> Update:
        """Tasks of runs whose priority is raised: `raised` is by how much it was before.
        What is critical already cannot go further up."""
        rows = self._rows(run=int, raised=int)
        return (
            update(TASK)
            .where(
                TASK.c.run == rows.c.run,
                TASK.c.state.in_(words_of(_IN_LINE)),
                TASK.c.priority > rows.c.raised,
            )
            .values(place=TASK.c.place - bindparam("seconds"))
        )
