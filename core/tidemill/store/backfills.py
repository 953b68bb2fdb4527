"""Backfills: see `tidemill.ports.Backfills`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, select, text, update

from tidemill.model.rows import BackfillRow
from tidemill.model.states import RunState
from tidemill.store.access import Access
from tidemill.store.columns import BACKFILL, RUN, words_of
from tidemill.store.tables import LOOKED_AT

_COLUMNS = [BACKFILL.c[name] for name in BackfillRow._fields]
_LOOKED_AT: ColumnElement[bool] = text(LOOKED_AT)  # type: ignore[assignment]
_FIXED = frozenset({"number", "pipeline", "spec", "params", "created_at", "created_by"})


class Backfills(Access):
    """The part of a transaction that is about backfills."""

    def add_backfill(self, row: BackfillRow) -> int:
        values = {**row._asdict(), "spec": dict(row.spec), "params": dict(row.params)}
        del values["number"]  # the database gives it
        result: Any = self._connection.execute(insert(BACKFILL).values(values))
        return int(result.inserted_primary_key[0])

    def backfills(self, numbers: Iterable[int]) -> list[BackfillRow]:
        found = select(*_COLUMNS).where(BACKFILL.c.number.in_(list(numbers)))
        return self._rows_of(found.order_by(BACKFILL.c.number).with_for_update())

    def due_backfills(self, now: float, limit: int) -> list[BackfillRow]:
        found = select(*_COLUMNS).where(_LOOKED_AT, BACKFILL.c.look_at <= now)
        found = found.order_by(BACKFILL.c.look_at, BACKFILL.c.number).limit(limit)
        return self._rows_of(found.with_for_update(skip_locked=True))

    def _rows_of(self, query: Select[Any]) -> list[BackfillRow]:
        return [BackfillRow(**row) for row in self._connection.execute(query).mappings()]

    def save_backfill(self, row: BackfillRow) -> None:
        values = {name: value for name, value in row._asdict().items() if name not in _FIXED}
        changed = update(BACKFILL).where(BACKFILL.c.number == row.number).values(values)
        self._connection.execute(changed)

    def open_runs_of_backfill(self, number: int) -> list[int]:
        ended = words_of(state for state in RunState if state.ended)
        found = select(RUN.c.number).where(RUN.c.backfill == number, RUN.c.state.not_in(ended))
        return [run for (run,) in self._connection.execute(found.order_by(RUN.c.number))]
