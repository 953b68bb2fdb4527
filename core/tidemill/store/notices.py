"""What people are to be told: see `tidemill.ports.Notices`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Table, insert, select, text, update

from tidemill.model.rows import NoticeRow, RunRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import BadEnd
from tidemill.store.access import Access
from tidemill.store.columns import RUN, TASK
from tidemill.store.tables import DEAD, WAITING, Notice

NOTICE: Table = Notice.__table__  # type: ignore[attr-defined]

_COLUMNS = [NOTICE.c[name] for name in NoticeRow._fields]
_WAITING: ColumnElement[bool] = text(WAITING)  # type: ignore[assignment]
_DEAD: ColumnElement[bool] = text(DEAD)  # type: ignore[assignment]
"""In the words of the partial indexes."""

_BAD = [state.value for state in (TaskState.FAILED, TaskState.TIMED_OUT, TaskState.LOST)]


class Notices(Access):
    """The part of a transaction that is about notices."""

    def tell(self, rows: Sequence[NoticeRow]) -> None:
        values = [{**row._asdict(), "state": row.state.value} for row in rows]
        for each in values:
            del each["number"]
        self._connection.execute(insert(NOTICE), values)

    def end_before(self, run: RunRow) -> RunState | None:
        ends = [RunState.SUCCEEDED.value, RunState.FAILED.value]
        found = (
            select(RUN.c.state)
            .where(
                RUN.c.pipeline == run.pipeline,
                RUN.c.root.is_(None),
                RUN.c.ended_at.is_not(None),
                RUN.c.state.in_(ends),
                RUN.c.number != run.number,
            )
            .order_by(RUN.c.ended_at.desc(), RUN.c.number.desc())
            .limit(1)
        )
        state = self._connection.execute(found).scalar()
        return None if state is None else RunState(state)

    def take_notices(
        self, now: float, until: float, limit: int, family: int | None = None
    ) -> list[NoticeRow]:
        earlier = NOTICE.alias("earlier")
        found = (
            select(*_COLUMNS)
            .where(
                text(f"notice.{WAITING}"),
                NOTICE.c.due_at <= now,
                ~select(earlier.c.number)
                .where(
                    earlier.c.run == NOTICE.c.run,
                    earlier.c.block == NOTICE.c.block,
                    earlier.c.number < NOTICE.c.number,
                    earlier.c.due_at.is_not(None),
                )
                .exists(),
            )
            .order_by(NOTICE.c.due_at, NOTICE.c.number)
            .limit(limit)
        )
        if family is not None:
            found = found.where(NOTICE.c.run.in_(_family(family)))
        if self._connection.dialect.name != "sqlite":
            found = found.with_for_update(of=NOTICE, skip_locked=True)
        rows = [
            row._replace(due_at=until, tries=row.tries + 1)
            for row in map(_row, self._connection.execute(found))
        ]
        for row in rows:
            taken = update(NOTICE).where(NOTICE.c.number == row.number)
            self._connection.execute(taken.values(tries=row.tries, due_at=until))
        return rows

    def settle_notice(self, row: NoticeRow) -> bool:
        mine = (
            NOTICE.c.number == row.number,
            NOTICE.c.tries == row.tries,
            NOTICE.c.due_at.is_not(None),
        )
        changed = update(NOTICE).where(*mine).values(due_at=row.due_at, error=row.error)
        return bool(self._connection.execute(changed).rowcount)

    def revive_notices(self, numbers: Iterable[int], at: float) -> int:
        dead = (NOTICE.c.number.in_(list(numbers)), _DEAD)
        changed = update(NOTICE).where(*dead).values(due_at=at, error="", tries=0)
        return int(self._connection.execute(changed).rowcount)

    def next_notice(self) -> float | None:
        found = select(NOTICE.c.due_at).where(_WAITING).order_by(NOTICE.c.due_at).limit(1)
        at: float | None = self._connection.execute(found).scalar()
        return at

    def notices_of(self, family: int) -> list[NoticeRow]:
        mine = NOTICE.c.run.in_(_family(family))
        found = select(*_COLUMNS).where(mine).order_by(NOTICE.c.number)
        return [_row(row) for row in self._connection.execute(found)]

    def waiting_notices(self, limit: int) -> list[NoticeRow]:
        found = select(*_COLUMNS).where(_WAITING).order_by(NOTICE.c.due_at).limit(limit)
        return [_row(row) for row in self._connection.execute(found)]

    def dead_notices(self, limit: int) -> list[NoticeRow]:
        found = select(*_COLUMNS).where(_DEAD).order_by(NOTICE.c.number.desc()).limit(limit)
        return [_row(row) for row in self._connection.execute(found)]

    def bad_ends(self, run: int, limit: int) -> list[BadEnd]:
        found = (
            select(TASK.c.key, TASK.c.state, TASK.c.exit_code, TASK.c.detail)
            .where(TASK.c.run == run, TASK.c.state.in_(_BAD))
            .order_by(TASK.c.ended_at, TASK.c.ordinal)
            .limit(limit)
        )
        return [
            BadEnd(key, TaskState(state), exit_code, detail)
            for key, state, exit_code, detail in self._connection.execute(found)
        ]


def _family(run: int) -> CompoundSelect[Any]:
    below = select(RUN.c.number).where(RUN.c.root == run)
    return select(RUN.c.number).where(RUN.c.number == run).union_all(below)


def _row(row: Any) -> NoticeRow:
    values = NoticeRow(*row)
    return values._replace(state=RunState(values.state))
