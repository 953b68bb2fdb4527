"""The statements that write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Insert,
    Table,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tidemill.model.rows import StageRow, TaskRow
from tidemill.store.columns import (
    ATTEMPT,
    ATTEMPT_COLUMNS,
    DURATION,
    LEASED,
    NEW_RUN,
    OUTBOX,
    PIPELINE,
    RUN,
    SCHEDULE,
    SCHEDULE_CHANGES,
    STAGE,
    STAGE_CHANGES,
    TASK,
    TASK_CHANGES,
    VERSION,
    WORKER,
    WORKER_COLUMNS,
    kinds,
)
from tidemill.store.dialected import Dialected

LEAST_WEIGHT = 0.1
"""How much the latest attempts count, at least, in what is expected of the next one."""


class Writing(Dialected):
    @cached_property
    def add_version(self) -> Insert:
        """Two may bring the same definition in the same moment."""
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        added: Insert = dialect.insert(VERSION).on_conflict_do_nothing()
        return added

    @cached_property
    def save_pipeline(self) -> Insert:
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        statement: Any = dialect.insert(PIPELINE)
        names = ("digest", "file", "applied_at", "applied_by", "commit")
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=["name"], set_={name: statement.excluded[name] for name in names}
        )
        return upsert

    @cached_property
    def new_runs(self) -> Insert:
        """The numbers are given in the order of `place`, so that whoever sorts them knows which
        is whose."""
        rows = self._rows(place=int, **kinds(RUN, NEW_RUN))
        source = select(*[rows.c[name] for name in NEW_RUN]).order_by(rows.c.place)
        made: Insert = insert(RUN).from_select(NEW_RUN, source).returning(RUN.c.number)
        return made

    @cached_property
    def new_stages(self) -> Insert:
        return self._new(STAGE, StageRow._fields)

    @cached_property
    def new_tasks(self) -> Insert:
        return self._new(TASK, TaskRow._fields)

    def _new(self, table: Table, names: Sequence[str]) -> Insert:
        rows = self._rows(**kinds(table, names))
        return insert(table).from_select(names, select(*[rows.c[name] for name in names]))

    @cached_property
    def save_schedules(self) -> Update:
        rows = self._rows(number=int, **SCHEDULE_CHANGES)
        return (
            update(SCHEDULE)
            .where(SCHEDULE.c.number == rows.c.number)
            .values({name: rows.c[name] for name in SCHEDULE_CHANGES})
        )

    @cached_property
    def save_tasks(self) -> Update:
        rows = self._rows(run=int, ordinal=int, old_state=str, old_fence=int, **TASK_CHANGES)
        return (
            update(TASK)
            .where(
                TASK.c.run == rows.c.run,
                TASK.c.ordinal == rows.c.ordinal,
                TASK.c.state == rows.c.old_state,
                TASK.c.fence == rows.c.old_fence,
            )
            .values({name: rows.c[name] for name in TASK_CHANGES})
        )

    @cached_property
    def save_stages(self) -> Update:
        rows = self._rows(run=int, step=int, **STAGE_CHANGES)
        return (
            update(STAGE)
            .where(STAGE.c.run == rows.c.run, STAGE.c.step == rows.c.step)
            .values({name: rows.c[name] for name in STAGE_CHANGES})
        )

    @cached_property
    def save_runs(self) -> Update:
        changes = {
            "state": str,
            "started_at": float,
            "ended_at": float,
            "open": int,
            "failed": int,
            "detail": str,
            "size": int,
            "deadline_at": float,
            "raised": int,
        }
        rows = self._rows(number=int, old_state=str, **changes)
        return (
            update(RUN)
            .where(RUN.c.number == rows.c.number, RUN.c.state == rows.c.old_state)
            .values({name: rows.c[name] for name in changes})
        )

    @cached_property
    def renew(self) -> Update:
        """Passes over what somebody else changes right now: two that renew while they
        change others' tasks would wait for each other."""
        rows = self._rows(run=int, ordinal=int, fence=int, worker=str)
        held = (
            select(TASK.c.run, TASK.c.ordinal)
            .join(
                rows,
                and_(
                    TASK.c.run == rows.c.run,
                    TASK.c.ordinal == rows.c.ordinal,
                    TASK.c.fence == rows.c.fence,
                    TASK.c.worker == rows.c.worker,
                ),
            )
            .where(TASK.c.state.in_(LEASED), TASK.c.run_at < bindparam("until"))
        )
        if self._dialect != "sqlite":
            held = held.with_for_update(of=TASK, skip_locked=True)
        found = held.cte("held")
        matches = and_(TASK.c.run == found.c.run, TASK.c.ordinal == found.c.ordinal)
        return update(TASK).where(matches).values(run_at=bindparam("until"))

    @cached_property
    def save_workers(self) -> Insert:
        names = list(WORKER_COLUMNS)
        rows = self._rows(**WORKER_COLUMNS)
        source = select(*[rows.c[name] for name in names]).where(literal_column("true"))
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        statement: Any = dialect.insert(WORKER).from_select(names, source)
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=["name"],
            set_={name: statement.excluded[name] for name in names[1:]},
        )
        return upsert

    @cached_property
    def save_attempts(self) -> Insert:
        rows = self._rows(**ATTEMPT_COLUMNS)
        names = list(ATTEMPT_COLUMNS)
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        # `WHERE true` keeps SQLite from reading ON CONFLICT as the join's condition.
        source = select(*[rows.c[name] for name in names]).where(literal_column("true"))
        statement: Any = dialect.insert(ATTEMPT).from_select(names, source)
        keys = {"run", "ordinal", "fence"}
        kept = keys | {"worker"}
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=sorted(keys),
            set_={name: statement.excluded[name] for name in names if name not in kept},
        )
        return upsert

    @cached_property
    def learn(self) -> Insert:
        """A moving mean: the first ones count as many as they are, then what is new counts a
        tenth at least."""
        names = ("pipeline", "step", "samples", "mean", "spread")
        rows = self._rows(pipeline=str, step=str, samples=int, mean=float, spread=float)
        source = select(*[rows.c[name] for name in names]).where(literal_column("true"))
        dialect: Any = sqlite if self._dialect == "sqlite" else postgresql
        statement: Any = dialect.insert(DURATION).from_select(names, source)
        new, old = statement.excluded, DURATION.c
        share = literal_column("1.0") * new.samples / (old.samples + new.samples)
        weight = case((share > LEAST_WEIGHT, share), else_=LEAST_WEIGHT)
        off = func.abs(new.mean - old.mean)
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=["pipeline", "step"],
            set_={
                "samples": old.samples + new.samples,
                "mean": old.mean + weight * (new.mean - old.mean),
                "spread": old.spread + weight * (off - old.spread),
            },
        )
        return upsert

    @cached_property
    def record(self) -> Insert:
        rows = self._rows(at=float, kind=str, run=int, ordinal=int, data=dict)
        names = ["at", "kind", "run", "ordinal", "data"]
        return insert(OUTBOX).from_select(names, select(*[rows.c[name] for name in names]))
