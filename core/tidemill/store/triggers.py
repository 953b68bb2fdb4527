"""What starts runs beside people and the clock: see `tidemill.ports.Triggers`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from tidemill.model.triggers import Armed, ArrivalRow, HeldRow, TriggerRow
from tidemill.store.access import Access
from tidemill.store.columns import ARRIVAL, HELD, PIPELINE, TRIGGER

_NEW: ColumnElement[bool] = literal_column("NOT taken")
"""In the words of the partial index."""

_COLUMNS = [TRIGGER.c[name] for name in TriggerRow._fields]
_ARRIVAL = [ARRIVAL.c[name] for name in ArrivalRow._fields]
_HELD = [HELD.c[name] for name in HeldRow._fields]
_NOTED = ("heard_at", "fired_at", "fired_run", "trouble", "trouble_at")

_AT_ONCE = 500
"""Rows that one statement takes: each of their values is a parameter."""


class Triggers(Access):
    """The part of a transaction that is about triggers."""

    def triggers_of(
        self, pipeline: str | None = None, *, kind: str | None = None, source: str | None = None
    ) -> list[TriggerRow]:
        found = select(*_COLUMNS).order_by(TRIGGER.c.pipeline, TRIGGER.c.place)
        for column, wanted in (("pipeline", pipeline), ("kind", kind), ("source", source)):
            if wanted is not None:
                found = found.where(TRIGGER.c[column] == wanted)
        return [TriggerRow(*row) for row in self._connection.execute(found)]

    def add_trigger(self, row: TriggerRow) -> None:
        values = row._asdict()
        del values["number"]  # the database gives it
        self._connection.execute(insert(TRIGGER).values(values))

    def move_trigger(self, number: int, place: int, digest: str) -> None:
        mine = update(TRIGGER).where(TRIGGER.c.number == number)
        self._connection.execute(mine.values(place=place, digest=digest))

    def drop_trigger(self, number: int) -> None:
        self._connection.execute(delete(TRIGGER).where(TRIGGER.c.number == number))

    def armed(self, sources: Collection[tuple[str, str]]) -> list[Armed]:
        return self._armed(tuple_(TRIGGER.c.kind, TRIGGER.c.source).in_(sorted(sources)))

    def armed_by_number(self, numbers: Collection[int]) -> list[Armed]:
        return self._armed(TRIGGER.c.number.in_(sorted(numbers)))

    def _armed(self, which: ColumnElement[bool]) -> list[Armed]:
        found = (
            select(*_COLUMNS, PIPELINE.c.file)
            .join(PIPELINE, PIPELINE.c.name == TRIGGER.c.pipeline)
            .where(which)
            .order_by(TRIGGER.c.number)  # who waits for one holds none that comes later
        )
        if not self._is_sqlite:
            found = found.with_for_update(of=TRIGGER)
        return [Armed(TriggerRow(*row), file) for *row, file in self._connection.execute(found)]

    def note_triggers(self, rows: Sequence[TriggerRow]) -> None:
        changed = (
            update(TRIGGER)
            .where(TRIGGER.c.number == bindparam("of"))
            .values({name: bindparam(f"new_{name}") for name in _NOTED})
        )
        values = [
            {"of": row.number, **{f"new_{name}": getattr(row, name) for name in _NOTED}}
            for row in rows
        ]
        self._connection.execute(changed, values)

    def receive(self, rows: Sequence[ArrivalRow]) -> list[bool]:
        return [
            new
            for start in range(0, len(rows), _AT_ONCE)
            for new in self._receive(rows[start : start + _AT_ONCE])
        ]

    def _receive(self, rows: Sequence[ArrivalRow]) -> Iterable[bool]:
        values = [{**row._asdict(), "payload": dict(row.payload), "taken": False} for row in rows]
        for each in values:
            del each["seq"]  # the database gives it
        names = [ARRIVAL.c.kind, ARRIVAL.c.source, ARRIVAL.c.key]
        stored = self._insert(ARRIVAL).values(values).on_conflict_do_nothing(index_elements=names)
        new = {tuple(row) for row in self._connection.execute(stored.returning(*names))}
        for row in rows:
            name = (row.kind, row.source, row.key)
            yield row.key is None or name in new
            new.discard(name)

    def take_arrivals(self, limit: int) -> list[ArrivalRow]:
        found = select(*_ARRIVAL).where(_NEW).order_by(ARRIVAL.c.seq).limit(limit)
        rows = [ArrivalRow(*row) for row in self._connection.execute(self._mine(found))]
        if rows:
            mine = ARRIVAL.c.seq.in_([row.seq for row in rows])
            self._connection.execute(update(ARRIVAL).where(mine).values(taken=True))
        return rows

    def forget_arrivals(self, before: float, limit: int) -> None:
        old = (
            select(ARRIVAL.c.seq)
            .where(ARRIVAL.c.received_at < before, ARRIVAL.c.taken)
            .order_by(ARRIVAL.c.received_at)
            .limit(limit)
        )
        self._connection.execute(delete(ARRIVAL).where(ARRIVAL.c.seq.in_(self._mine(old))))

    def held(self, keys: Collection[tuple[int, str]]) -> list[HeldRow]:
        found = select(*_HELD).where(tuple_(HELD.c.trigger, HELD.c.key).in_(sorted(keys)))
        return [HeldRow(*row) for row in self._connection.execute(found)]

    def hold(self, rows: Sequence[HeldRow]) -> None:
        values = [
            {**row._asdict(), "params": dict(row.params), "cause": dict(row.cause)} for row in rows
        ]
        stored = self._insert(HELD)
        changes = {name: stored.excluded[name] for name in HeldRow._fields[2:]}
        stored = stored.on_conflict_do_update(
            index_elements=[HELD.c.trigger, HELD.c.key], set_=changes
        )
        self._connection.execute(stored, values)

    def due_held(self, now: float, limit: int) -> list[HeldRow]:
        found = (
            select(*_HELD)
            .where(HELD.c.due_at.is_not(None), HELD.c.due_at <= now)
            .order_by(HELD.c.due_at)
            .limit(limit)
        )
        return [HeldRow(*row) for row in self._connection.execute(found)]

    def forget_held(self, before: float, limit: int) -> None:
        old = (
            select(HELD.c.trigger, HELD.c.key)
            .where(HELD.c.until.is_not(None), HELD.c.until < before, HELD.c.due_at.is_(None))
            .order_by(HELD.c.until)
            .limit(limit)
        )
        which = tuple_(HELD.c.trigger, HELD.c.key).in_(self._mine(old))
        self._connection.execute(delete(HELD).where(which))

    @property
    def _is_sqlite(self) -> bool:
        return self._connection.dialect.name == "sqlite"

    def _mine(self, found: Select[Any]) -> Select[Any]:
        """Nobody else's to the end of the transaction, where there is somebody else."""
        return found if self._is_sqlite else found.with_for_update(skip_locked=True)

    def _insert(self, table: Any) -> Any:
        if self._is_sqlite:
            from sqlalchemy.dialects.sqlite import insert as upsert
        else:
            from sqlalchemy.dialects.postgresql import insert as upsert  # type: ignore[assignment]
        return upsert(table)
