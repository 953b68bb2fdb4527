"""The statements that read."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Select,
    TextClause,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    select,
    text,
)

from tidemill.model.states import RunState, TaskState
from tidemill.store import tables
from tidemill.store.batch import unfold
from tidemill.store.columns import (
    ACTIVE,
    APPROVAL,
    AWAITING,
    BACKFILL,
    DURATION,
    EXPANSION,
    EXPANSION_COLUMNS,
    HELD,
    LIMITED,
    OPEN,
    PIPELINE,
    READY,
    RUN,
    RUN_COLUMNS,
    SCHEDULE,
    SIGNAL,
    STAGE,
    STAGE_COLUMNS,
    TASK,
    TASK_COLUMNS,
    TIMED,
    VERSION,
    words_of,
)
from tidemill.store.dialected import Dialected

_LINES = """
WITH RECURSIVE line(pool, lane) AS (
    SELECT * FROM (SELECT pool, lane FROM task WHERE READY ORDER BY pool, lane LIMIT 1) AS first
    UNION ALL
    SELECT
        (SELECT pool FROM task WHERE READY AND (pool, lane) > (line.pool, line.lane)
            ORDER BY pool, lane LIMIT 1),
        (SELECT lane FROM task WHERE READY AND (pool, lane) > (line.pool, line.lane)
            ORDER BY pool, lane LIMIT 1)
    FROM line WHERE line.pool IS NOT NULL
)
SELECT pool, lane FROM line WHERE pool IS NOT NULL
"""


class Reading(Dialected):
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
        ended = words_of(state for state in TaskState if state.ended)
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
        known = words_of((TaskState.EXPANDED, TaskState.SUCCEEDED))
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
        columns = (TASK.c.pool, TASK.c.lane)
        return select(*columns, func.count()).where(ACTIVE).group_by(*columns)

    @cached_property
    def limited(self) -> Select[Any]:
        columns = (TASK.c.run, TASK.c.step)
        return select(*columns, func.count()).where(LIMITED).group_by(*columns)

    @cached_property
    def limited_in(self) -> Select[Any]:
        rows = self._rows(number=int)
        return self.limited.join(rows, TASK.c.run == rows.c.number)

    @cached_property
    def family(self) -> CompoundSelect[Any]:
        """A run, and those below it that have not ended."""
        ended = words_of(state for state in RunState if state.ended)
        number: Any = bindparam("run")
        below = and_(RUN.c.root.is_not(None), RUN.c.root == number, RUN.c.state.not_in(ended))
        head = select(*RUN_COLUMNS).where(RUN.c.number == number)
        return head.union_all(select(*RUN_COLUMNS).where(below)).order_by("number")

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
        queue = and_(TASK.c.pool == bindparam("pool"), TASK.c.lane == bindparam("lane"))
        statement = select(*TASK_COLUMNS).where(READY, queue, due)
        if some_full:
            stages = unfold(self._dialect, "full", {"run": int, "step": int})
            runs = unfold(self._dialect, "full_runs", {"run": int})
            full = select(1).where(stages.c.run == TASK.c.run, stages.c.step == TASK.c.step)
            full_run = select(1).where(runs.c.run == TASK.c.run)
            statement = statement.where(~exists(full), ~exists(full_run))
        statement = statement.order_by(TASK.c.place, TASK.c.run, TASK.c.ordinal)
        return self._skipping(statement.limit(bindparam("limit")))

    @cached_property
    def lines(self) -> TextClause:
        """Each pool and lane that something ready stands in. From one to the next over the
        index of the order of dispatch: what it costs is the number of lines, however long
        they are."""
        return text(_LINES.replace("READY", tables.READY))

    @cached_property
    def duties(self) -> Select[Any]:
        """What workers have to do, by stages."""
        placed = TASK.c.target != literal_column("''")
        worker = case((placed, TASK.c.target), else_=TASK.c.worker)
        columns = (worker.label("holder"), TASK.c.run, TASK.c.step, placed.label("placed"))
        found = select(*columns, func.count()).where(ACTIVE, worker != literal_column("''"))
        return found.group_by(*columns)

    @cached_property
    def standing(self) -> Select[Any]:
        """Of what workers say they hold: what is still theirs, with the run's state."""
        rows = self._rows(run=int, ordinal=int, fence=int)
        matches = and_(
            TASK.c.run == rows.c.run,
            TASK.c.ordinal == rows.c.ordinal,
            TASK.c.fence == rows.c.fence,
        )
        at_work = words_of((TaskState.QUEUED, TaskState.RESERVED, TaskState.RUNNING))
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
            .where(SCHEDULE.c.act_at.is_not(None), SCHEDULE.c.act_at <= bindparam("now"))
            .order_by(SCHEDULE.c.act_at)
            .limit(bindparam("limit"))
        )
        return found if self._dialect == "sqlite" else found.with_for_update(skip_locked=True)

    @cached_property
    def next_schedule(self) -> Select[Any]:
        return select(func.min(SCHEDULE.c.act_at)).where(SCHEDULE.c.act_at.is_not(None))

    @cached_property
    def next_held(self) -> Select[Any]:
        return select(func.min(HELD.c.due_at)).where(HELD.c.due_at.is_not(None))

    @cached_property
    def next_backfill(self) -> Select[Any]:
        return select(func.min(BACKFILL.c.look_at)).where(BACKFILL.c.look_at.is_not(None))

    @cached_property
    def open_runs_of(self) -> Select[Any]:
        """The runs of schedules that have not ended."""
        rows = self._rows(schedule=int)
        ended = words_of(state for state in RunState if state.ended)
        return (
            select(RUN.c.schedule, RUN.c.number)
            .join(rows, rows.c.schedule == RUN.c.schedule)
            .where(RUN.c.state.not_in(ended))
            .order_by(RUN.c.number)
        )

    @cached_property
    def latest_due(self) -> Select[Any]:
        rows = self._rows(schedule=int)
        latest = (
            select(func.max(RUN.c.due_at))
            .where(RUN.c.schedule == rows.c.schedule)
            .scalar_subquery()
        )
        return select(rows.c.schedule, latest)

    @cached_property
    def definitions(self) -> Select[Any]:
        rows = self._rows(digest=str)
        return select(VERSION.c.digest, VERSION.c.content).join(
            rows, rows.c.digest == VERSION.c.digest
        )

    @cached_property
    def known_definitions(self) -> Select[Any]:
        rows = self._rows(digest=str)
        found = select(VERSION.c.digest).join(rows, rows.c.digest == VERSION.c.digest)
        if self._dialect == "sqlite":
            return found
        return found.with_for_update(of=VERSION, read=True, key_share=True)

    @cached_property
    def pipelines(self) -> Select[Any]:
        return select(PIPELINE).order_by(PIPELINE.c.name)

    @cached_property
    def pipelines_called(self) -> Select[Any]:
        rows = self._rows(name=str)
        return self.pipelines.join(rows, rows.c.name == PIPELINE.c.name)

    @cached_property
    def at_work(self) -> Select[Any]:
        rows = self._rows(name=str)
        at_work = words_of((RunState.RUNNING, RunState.CANCELLING))
        return (
            select(RUN.c.pipeline, RUN.c.number)
            .join(rows, rows.c.name == RUN.c.pipeline)
            .where(OPEN, RUN.c.state.in_(at_work))
        )

    @cached_property
    def waiting_runs(self) -> Select[Any]:
        return (
            select(RUN.c.number)
            .where(OPEN, RUN.c.pipeline == bindparam("pipeline"), RUN.c.state == bindparam("state"))
            .order_by(RUN.c.number)
            .limit(bindparam("limit"))
        )

    @cached_property
    def durations(self) -> Select[Any]:
        rows = self._rows(name=str)
        return select(DURATION).join(rows, rows.c.name == DURATION.c.pipeline)

    @cached_property
    def ahead(self) -> Select[Any]:
        """The runs of a schedule that are yet to come; they stay locked."""
        found = select(*RUN_COLUMNS).where(
            RUN.c.schedule == bindparam("schedule"),
            RUN.c.state == RunState.PENDING.value,
            RUN.c.due_at > bindparam("now"),
        )
        return found if self._dialect == "sqlite" else found.with_for_update(key_share=True)

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
