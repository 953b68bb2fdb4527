"""Removing what is old, a bounded number of rows at a time.

A run is first *condemned*, with those below it, in one statement: from then on nobody sees
it. Its rows then go bit by bit, its own row the last, so that whoever dies in between
leaves a condemned run that the next one goes on with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from tidemill.model.outputs import FILES, digests
from tidemill.model.rows import TaskRef
from tidemill.model.states import RunState
from tidemill.store.access import Access
from tidemill.store.columns import (
    ATTEMPT,
    CONDEMNED,
    OUTBOX,
    PIPELINE,
    RUN,
    SCHEDULE,
    SIGNAL,
    TASK,
    VERSION,
)

ROWS_OF_RUNS = (
    (OUTBOX, ("seq",)),
    (ATTEMPT, ("run", "ordinal", "fence")),
    (TASK, ("run", "ordinal")),
)
"""What a run has many of, with its keys, in the order in which it goes. The rest goes with
the run's own row."""

_LEFT_OUT = (RUN.c.excluded, RUN.c.picked)
"""Lists that are empty where a run is of all its pipeline."""

_PIPELINES = text("""
    WITH RECURSIVE found (name) AS (
        SELECT min(pipeline) FROM run WHERE root IS NULL AND ended_at IS NOT NULL
        UNION ALL
        SELECT (
            SELECT min(pipeline) FROM run
            WHERE root IS NULL AND ended_at IS NOT NULL AND pipeline > found.name
        ) FROM found WHERE found.name IS NOT NULL
    )
    SELECT name FROM found WHERE name IS NOT NULL
""")
"""From one name to the next in the index: what it costs are pipelines, not runs."""


_NOT_BEYOND = text(
    "UPDATE observer SET seq = (SELECT coalesce(max(seq), 0) FROM outbox)"
    " WHERE seq > (SELECT coalesce(max(seq), 0) FROM outbox)"
)
"""SQLite gives the numbers of removed rows at the end again: whoever has come that far must
not take what is new for seen."""


class Purging(Access):
    """The part of a transaction that removes: see `tidemill.ports.Purging`."""

    def pipelines_that_ran(self) -> list[str]:
        return list(self._execute(_PIPELINES).scalars())

    def ended_before_the_last(self, pipeline: str, count: int) -> float | None:
        found = (
            select(RUN.c.ended_at)
            .where(*_ended_heads(RUN, pipeline))
            .order_by(RUN.c.ended_at.desc())
            .offset(count - 1)
            .limit(1)
        )
        at: float | None = self._execute(found).scalar()
        return at

    def expendable(self, pipeline: str, before: float) -> tuple[int, int]:
        old = select(RUN.c.number).where(*_old(pipeline, before))
        head = func.coalesce(RUN.c.root, RUN.c.number)
        families = (
            select(head, func.count(), func.sum(RUN.c.size)).where(head.in_(old)).group_by(head)
        )
        found = {number: (runs, tasks) for number, *(runs, tasks) in self._execute(families)}
        for number in self._latest(pipeline):
            found.pop(number, None)
        retries = select(RUN.c.retry_of, RUN.c.number).where(RUN.c.retry_of.in_(old))
        for number, retry in sorted(map(tuple, self._execute(retries)), reverse=True):
            if retry not in found:
                found.pop(number, None)
        return sum(runs for runs, _ in found.values()), sum(int(n) for _, n in found.values())

    def condemn(self, pipeline: str, before: float, limit: int) -> int:
        retry = RUN.alias("retry")
        old = (
            select(RUN.c.number)
            .where(*_old(pipeline, before), ~exists().where(retry.c.retry_of == RUN.c.number))
            .order_by(RUN.c.ended_at)
            .limit(limit)
        )
        numbers = set(self._execute(self._locked(old, RUN)).scalars())
        if numbers:
            numbers -= self._latest(pipeline)
            # Who retried one of them has committed by now, or waits for us.
            retried = select(RUN.c.retry_of).where(RUN.c.retry_of.in_(numbers))
            numbers -= set(self._execute(retried).scalars())
        if numbers:
            below = and_(RUN.c.root.is_not(None), RUN.c.root.in_(numbers))
            heads = select(RUN.c.number).where(RUN.c.number.in_(numbers))
            family = heads.union_all(select(RUN.c.number).where(below))
            self._execute(insert(CONDEMNED).from_select(["run"], family))
        return len(numbers)

    def _latest(self, pipeline: str) -> set[int]:
        """The latest run of a pipeline, and its latest success, which others take results
        from."""
        latest = (
            select(RUN.c.number)
            .where(*_ended_heads(RUN, pipeline))
            .order_by(RUN.c.ended_at.desc())
            .limit(1)
        )
        # Not by equality, which a planner takes for so rare that it sorts all there are.
        whole = [func.length(cast(column, Text)) <= len("[]") for column in _LEFT_OUT]
        success = latest.where(RUN.c.state == RunState.SUCCEEDED.value, *whole)
        return {number for query in (latest, success) for number in self._execute(query).scalars()}

    def is_condemned(self, run: int) -> bool:
        found = select(CONDEMNED.c.run).where(CONDEMNED.c.run == run)
        return self._execute(found).first() is not None

    def condemned(self, limit: int) -> list[int]:
        """The latest first, so that the one at the head of a family is the last of it."""
        own, head = RUN.alias("own"), RUN.alias("head")
        found = (
            select(CONDEMNED.c.run)
            .join(own, own.c.number == CONDEMNED.c.run)
            .join(head, head.c.number == func.coalesce(own.c.root, own.c.number))
            .order_by(CONDEMNED.c.run.desc())
            .limit(limit)
        )
        return list(self._execute(self._locked(found, own, head)).scalars())

    def remove(self, runs: Sequence[int], rows: int) -> int:
        left = rows
        for table, keys in ROWS_OF_RUNS:
            left -= self._execute(self._some(table, keys, runs, left)).rowcount
            if left <= 0:
                return rows
        self._execute(delete(SIGNAL).where(SIGNAL.c.run.in_(runs)))
        self._execute(delete(RUN).where(RUN.c.number.in_(runs)))
        if self._is_sqlite:
            self._execute(_NOT_BEYOND)
        return rows - left

    def idle_definitions(self) -> list[str]:
        of_run = exists().where(RUN.c.digest == VERSION.c.digest)
        of_pipeline = exists().where(PIPELINE.c.digest == VERSION.c.digest)
        found = select(VERSION.c.digest).where(~of_run, ~of_pipeline)
        return list(self._execute(self._locked(found, VERSION)).scalars())

    def used_definitions(self) -> list[str]:
        of_run = exists().where(RUN.c.digest == VERSION.c.digest)
        of_pipeline = exists().where(PIPELINE.c.digest == VERSION.c.digest)
        found = select(VERSION.c.digest).where(or_(of_run, of_pipeline))
        return list(self._execute(found).scalars())

    def drop_definitions(self, digests: Collection[str]) -> None:
        self._execute(delete(VERSION).where(VERSION.c.digest.in_(digests)))

    def files_in_use(self, after: TaskRef | None, limit: int) -> tuple[set[str], TaskRef | None]:
        """So many rows, not so many with files: no statement is to take long."""
        outputs = cast(TASK.c.outputs, Text)
        page = select(
            TASK.c.run, TASK.c.ordinal, case((outputs.like(f'%"{FILES}"%'), outputs), else_=None)
        ).order_by(TASK.c.run, TASK.c.ordinal)
        if after is not None:
            page = page.where(tuple_(TASK.c.run, TASK.c.ordinal) > tuple_(*after))
        rows = self._execute(page.limit(limit)).all()
        found = {digest for *_, text in rows if text for digest in digests(json.loads(text))}
        return found, TaskRef(*rows[-1][:2]) if len(rows) == limit else None

    def _execute(self, statement: Any) -> Any:
        return self._connection.execute(statement)

    @property
    def _is_sqlite(self) -> bool:
        return self._connection.dialect.name == "sqlite"

    def _locked(self, found: Select[Any], *tables: Any) -> Select[Any]:
        """What nobody else has in hand, kept to the end of the transaction."""
        return found if self._is_sqlite else found.with_for_update(of=tables, skip_locked=True)

    def _some(self, table: Table, keys: Sequence[str], runs: Sequence[int], rows: int) -> Any:
        """Deletes so many rows of these runs. Where rows have places, by their places: a
        planner that guesses wrongly must not look through the whole table."""
        mine = table.c.run.in_(runs)
        if self._is_sqlite:
            key = tuple_(*(table.c[name] for name in keys))
            picked = select(*(table.c[name] for name in keys)).where(mine).limit(rows)
            return delete(table).where(key.in_(picked))
        place: ColumnElement[Any] = literal_column("ctid")
        picked = select(place).select_from(table).where(mine).limit(rows)
        return delete(table).where(place == func.any(func.array(picked.scalar_subquery())))


def _ended_heads(run: Any, pipeline: str) -> tuple[ColumnElement[bool], ...]:
    """Those that are not part of another one: in the words of the index."""
    return run.c.pipeline == pipeline, run.c.root.is_(None), run.c.ended_at.is_not(None)


def _old(pipeline: str, before: float) -> tuple[ColumnElement[bool], ...]:
    """Runs that ended before this time, with all below them, but not the latest one of a
    schedule, which says what has been fired."""
    below, due = RUN.alias("below"), RUN.alias("due")
    fired_later = and_(due.c.schedule == RUN.c.schedule, due.c.due_at > RUN.c.due_at)
    return (
        *_ended_heads(RUN, pipeline),
        RUN.c.ended_at < before,
        ~exists().where(CONDEMNED.c.run == RUN.c.number),
        ~exists().where(
            below.c.root.is_not(None), below.c.root == RUN.c.number, below.c.ended_at.is_(None)
        ),
        or_(
            RUN.c.schedule.is_(None),
            exists().where(fired_later),
            ~exists().where(SCHEDULE.c.number == RUN.c.schedule),
        ),
    )
