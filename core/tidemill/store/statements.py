"""The statements, made once for a database's dialect.

One a purpose, named for it; `tidemill.store.transaction` runs them. Batches come in as
one JSON parameter (see `tidemill.store.batch`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tidemill.model.rows import ExpansionRow, RunRow, StageRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.store import tables
from tidemill.store.batch import unfold
from tidemill.store.driver import Prepared, prepare
from tidemill.store.tables import (
    Approval,
    Attempt,
    Condemned,
    Expansion,
    Outbox,
    Pipeline,
    Run,
    Schedule,
    Signal,
    Stage,
    Task,
    Version,
    Worker,
)

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
WORKER: Table = Worker.__table__  # type: ignore[attr-defined]

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
}
STAGE_CHANGES = dict.fromkeys(("waiting_on", "open", "failed", "skipped", "unmet", "tasks"), int)


RUN_COLUMNS = [RUN.c[name] for name in RunRow._fields]
STAGE_COLUMNS = [STAGE.c[name] for name in StageRow._fields]
EXPANSION_COLUMNS = [EXPANSION.c[name] for name in ExpansionRow._fields]
TASK_COLUMNS = [TASK.c[name] for name in TaskRow._fields]
"""In the order of the rows' fields."""


def _words(condition: str) -> ColumnElement[bool]:
    """The very words of a partial index, so that it is used."""
    return literal_column(f"({_qualified(condition)})")


def _qualified(condition: str) -> str:
    for column in ("state", "run_at", "pool"):
        condition = condition.replace(f"{column} ", f"task.{column} ")
    return condition


READY, ACTIVE, TIMED = map(_words, (tables.READY, tables.ACTIVE, tables.TIMED))
AWAITING: ColumnElement[bool] = literal_column(
    f"task.state = '{TaskState.AWAITING_APPROVAL.value}'"
)


def _words_of(states: Iterable[TaskState | RunState]) -> list[ColumnElement[str]]:
    """States as they stand in the text of a statement: they are no parameters."""
    return [literal_column(f"'{state.value}'") for state in states]


class Statements:
    """Who changes anything of a run first locks the head of its family: those it was told of
    by `lock`, which waits, and those it looks for by what skips. All other reads are then
    of rows that nobody else changes, and lock nothing."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect.name
        self._compiler = dialect
        self._prepared: dict[str, Prepared] = {}

    def prepared(self, name: str) -> Prepared:
        """The statement of this name as the driver takes it: see `tidemill.store.driver`."""
        if name not in self._prepared:
            self._prepared[name] = prepare(getattr(self, name), self._compiler)
        return self._prepared[name]

    def _rows(self, **columns: type) -> Any:
        return unfold(self._dialect, "rows", columns)

    def _skipping(self, statement: Select[Any], *more: Table) -> Select[Any]:
        """Of tasks and whole families, those that no other scheduler has in hand; these
        stay locked. SQLite needs none of it: its transactions come one by one."""
        if self._dialect == "sqlite":
            return statement
        family = RUN.alias("family")
        own = RUN.alias("own")
        joined = statement.join(own, own.c.number == TASK.c.run).join(
            family, family.c.number == func.coalesce(own.c.root, own.c.number)
        )
        return joined.with_for_update(of=[TASK, family, *more], skip_locked=True, key_share=True)

    # reading

    @cached_property
    def runs(self) -> Select[Any]:
        rows = self._rows(number=int)
        return select(*RUN_COLUMNS).join(rows, RUN.c.number == rows.c.number)

    @cached_property
    def lock(self) -> Select[Any]:
        """Families, by any run of theirs; in order, so that no two wait for each other."""
        rows = self._rows(number=int)
        heads = select(func.coalesce(RUN.c.root, RUN.c.number)).join(
            rows, RUN.c.number == rows.c.number
        )
        found = select(*RUN_COLUMNS).where(RUN.c.number.in_(heads)).order_by(RUN.c.number)
        return found if self._dialect == "sqlite" else found.with_for_update(key_share=True)

    @cached_property
    def stages(self) -> Select[Any]:
        rows = self._rows(run=int, step=int)
        matches = and_(STAGE.c.run == rows.c.run, STAGE.c.step == rows.c.step)
        return select(*STAGE_COLUMNS).join(rows, matches)

    @cached_property
    def stages_of_run(self) -> Select[Any]:
        return select(*STAGE_COLUMNS).where(STAGE.c.run == bindparam("run"))

    @cached_property
    def tasks(self) -> Select[Any]:
        rows = self._rows(run=int, ordinal=int)
        matches = and_(TASK.c.run == rows.c.run, TASK.c.ordinal == rows.c.ordinal)
        return select(*TASK_COLUMNS).join(rows, matches)

    @cached_property
    def tasks_of_stages(self) -> Select[Any]:
        rows = self._rows(run=int, step=int)
        matches = and_(TASK.c.run == rows.c.run, TASK.c.step == rows.c.step)
        return select(*TASK_COLUMNS).join(rows, matches).order_by(TASK.c.run, TASK.c.ordinal)

    @cached_property
    def open_tasks(self) -> Select[Any]:
        ended = _words_of(state for state in TaskState if state.ended)
        return (
            select(*TASK_COLUMNS)
            .where(TASK.c.run == bindparam("run"), TASK.c.state.not_in(ended))
            .order_by(TASK.c.ordinal)
        )

    @cached_property
    def all_tasks(self) -> Select[Any]:
        return select(*TASK_COLUMNS).where(TASK.c.run == bindparam("run")).order_by(TASK.c.ordinal)

    @cached_property
    def outputs(self) -> Select[Any]:
        rows = self._rows(run=int, step=int)
        matches = and_(TASK.c.run == rows.c.run, TASK.c.step == rows.c.step)
        return (
            select(TASK.c.run, TASK.c.step, TASK.c.ordinal, TASK.c.outputs)
            .join(rows, matches)
            .where(TASK.c.outputs.is_not(None))
        )

    @cached_property
    def latest_successes(self) -> Select[Any]:
        rows = self._rows(key=str)
        return (
            select(*TASK_COLUMNS)
            .join(rows, TASK.c.key == rows.c.key)
            .join(RUN, RUN.c.number == TASK.c.run)
            .where(
                RUN.c.pipeline == bindparam("pipeline"),
                TASK.c.state == TaskState.SUCCEEDED.value,
            )
            .order_by(TASK.c.run)
        )

    @cached_property
    def latest_expansions(self) -> Select[Any]:
        """With the keys of the stand-ins, the latest last."""
        rows = self._rows(key=str)
        known = _words_of((TaskState.EXPANDED, TaskState.SUCCEEDED))
        matches = and_(TASK.c.run == EXPANSION.c.run, TASK.c.step == EXPANSION.c.step)
        return (
            select(TASK.c.key, *EXPANSION_COLUMNS)
            .select_from(EXPANSION)
            .join(TASK, matches)
            .join(rows, TASK.c.key == rows.c.key)
            .join(RUN, RUN.c.number == TASK.c.run)
            .where(RUN.c.pipeline == bindparam("pipeline"), TASK.c.state.in_(known))
            .order_by(TASK.c.run)
        )

    @cached_property
    def expansions(self) -> Select[Any]:
        rows = self._rows(run=int)
        return select(*EXPANSION_COLUMNS).join(rows, EXPANSION.c.run == rows.c.run)

    @cached_property
    def decisions(self) -> Select[Any]:
        matches = and_(TASK.c.run == APPROVAL.c.run, TASK.c.ordinal == APPROVAL.c.ordinal)
        return (
            select(APPROVAL)
            .join(TASK, matches)
            .where(AWAITING, TASK.c.run == bindparam("run"))
            .order_by(APPROVAL.c.ordinal)
        )

    @cached_property
    def due(self) -> Select[Any]:
        late = select(*TASK_COLUMNS).where(TIMED, TASK.c.run_at <= bindparam("now"))
        return self._skipping(late.order_by(TASK.c.run, TASK.c.ordinal))

    @cached_property
    def next_timer(self) -> Select[Any]:
        """Also one that has passed, where somebody else has the task in hand."""
        return select(TASK.c.run_at).where(TIMED).order_by(TASK.c.run_at).limit(1)

    @cached_property
    def next_ready(self) -> Select[Any]:
        later = TASK.c.run_at > bindparam("now")
        return select(TASK.c.run_at).where(READY, later).order_by(TASK.c.run_at).limit(1)

    @cached_property
    def active(self) -> Select[Any]:
        columns = (TASK.c.run, TASK.c.step)
        return select(*columns, func.count()).where(ACTIVE).group_by(*columns)

    @cached_property
    def active_in(self) -> Select[Any]:
        rows = self._rows(number=int)
        return self.active.join(rows, TASK.c.run == rows.c.number)

    @cached_property
    def family(self) -> Select[Any]:
        """A run, and those below it that have not ended."""
        ended = _words_of(state for state in RunState if state.ended)
        number: Any = bindparam("run")
        below = and_(RUN.c.root.is_not(None), RUN.c.root == number, RUN.c.state.not_in(ended))
        return select(*RUN_COLUMNS).where(or_(RUN.c.number == number, below)).order_by(RUN.c.number)

    @cached_property
    def child(self) -> Select[Any]:
        """The run that the task with this key was handed over to."""
        return select(TASK.c.child).where(
            TASK.c.run == bindparam("run"), TASK.c.key == bindparam("key")
        )

    @cached_property
    def ready(self) -> Select[Any]:
        return self._ready(some_full=False)

    @cached_property
    def ready_beside_full(self) -> Select[Any]:
        """None of stages or runs that are full."""
        return self._ready(some_full=True)

    def _ready(self, *, some_full: bool) -> Select[Any]:
        # The sum keeps databases from the index of timers: a long backlog would be read and
        # sorted for a handful of it. The index of the order of dispatch has it sorted.
        due = TASK.c.run_at + literal_column("0") <= bindparam("now")
        statement = select(*TASK_COLUMNS).where(READY, TASK.c.pool == bindparam("pool"), due)
        if some_full:
            stages = unfold(self._dialect, "full", {"run": int, "step": int})
            runs = unfold(self._dialect, "full_runs", {"run": int})
            full = select(1).where(stages.c.run == TASK.c.run, stages.c.step == TASK.c.step)
            full_run = select(1).where(runs.c.run == TASK.c.run)
            statement = statement.where(~exists(full), ~exists(full_run))
        statement = statement.order_by(TASK.c.priority, TASK.c.run, TASK.c.ordinal)
        return self._skipping(statement.limit(bindparam("limit")))

    @cached_property
    def standing(self) -> Select[Any]:
        """Of what workers say they hold: what is still theirs, with the run's state."""
        rows = self._rows(run=int, ordinal=int, fence=int)
        matches = and_(
            TASK.c.run == rows.c.run,
            TASK.c.ordinal == rows.c.ordinal,
            TASK.c.fence == rows.c.fence,
        )
        at_work = _words_of((TaskState.QUEUED, TaskState.RUNNING))
        return (
            select(TASK.c.run, TASK.c.ordinal, TASK.c.fence, TASK.c.state, RUN.c.state)
            .select_from(TASK)
            .join(rows, matches)
            .join(RUN, RUN.c.number == TASK.c.run)
            .where(TASK.c.state.in_(at_work))
        )

    @cached_property
    def due_schedules(self) -> Select[Any]:
        found = (
            select(SCHEDULE)
            .where(SCHEDULE.c.next_due.is_not(None), SCHEDULE.c.next_due <= bindparam("now"))
            .order_by(SCHEDULE.c.next_due)
            .limit(bindparam("limit"))
        )
        return found if self._dialect == "sqlite" else found.with_for_update(skip_locked=True)

    @cached_property
    def next_schedule(self) -> Select[Any]:
        return select(func.min(SCHEDULE.c.next_due)).where(SCHEDULE.c.next_due.is_not(None))

    @cached_property
    def open_runs_of(self) -> Select[Any]:
        """The runs of a schedule that have not ended."""
        ended = _words_of(state for state in RunState if state.ended)
        return (
            select(RUN.c.number)
            .where(RUN.c.schedule == bindparam("schedule"), RUN.c.state.not_in(ended))
            .order_by(RUN.c.number)
        )

    @cached_property
    def fired(self) -> Select[Any]:
        """Due times are fired in order, and the run of the latest is never purged."""
        return (
            select(RUN.c.number)
            .where(RUN.c.schedule == bindparam("schedule"), RUN.c.due_at >= bindparam("due_at"))
            .limit(1)
        )

    @cached_property
    def take_signals(self) -> Any:
        picked = select(SIGNAL.c.number).order_by(SIGNAL.c.number).limit(bindparam("limit"))
        if self._dialect != "sqlite":
            picked = picked.with_for_update(skip_locked=True)
        return (
            delete(SIGNAL)
            .where(SIGNAL.c.number.in_(picked))
            .returning(SIGNAL.c.run, SIGNAL.c.cancel)
        )

    # writing

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
        names = ("digest", "file", "applied_at", "applied_by")
        upsert: Insert = statement.on_conflict_do_update(
            index_elements=["name"], set_={name: statement.excluded[name] for name in names}
        )
        return upsert

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
            .where(TASK.c.state == TaskState.RUNNING.value, TASK.c.run_at < bindparam("until"))
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
    def record(self) -> Insert:
        rows = self._rows(at=float, kind=str, run=int, ordinal=int, data=dict)
        names = ["at", "kind", "run", "ordinal", "data"]
        return insert(OUTBOX).from_select(names, select(*[rows.c[name] for name in names]))
