"""The event log, for those who are told of it: see `tidemill.ports.Events`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, and_, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from tidemill.model.rows import EventLook, ObservedRow, ObserverRow
from tidemill.spi import Event
from tidemill.store.access import Access
from tidemill.store.batch import from_json
from tidemill.store.columns import OUTBOX, RUN, TASK
from tidemill.store.tables import Observer

OBSERVER: Table = Observer.__table__  # type: ignore[attr-defined]

_COLUMNS = [OBSERVER.c[name] for name in ObserverRow._fields]
_KINDS = {"run": "run", "task": "step"}
"""The kinds of the log that tell of states, and what they are called outside."""

_TRANSACTIONS = text("""
    SELECT pg_snapshot_xmax(now)::text::bigint, pg_snapshot_xmin(now)::text::bigint
    FROM pg_current_snapshot() AS now
""")


class Events(Access):
    """The part of a transaction that is about observers."""

    def look(self) -> EventLook:
        """Two statements, in this order. Who has drawn a number up to `last` had its number
        as a transaction by then, since nobody writes events before anything else: so it is
        below what the second one gives as the next."""
        last = self._connection.execute(select(func.max(OUTBOX.c.seq))).scalar() or 0
        if self._connection.dialect.name == "sqlite":  # its transactions come one by one
            return EventLook(last, 0, 0)
        begun, ended = self._connection.execute(_TRANSACTIONS).one()
        return EventLook(last, begun, ended)

    def events(self, after: int, upto: int, limit: int) -> list[ObservedRow]:
        task = and_(TASK.c.run == OUTBOX.c.run, TASK.c.ordinal == OUTBOX.c.ordinal)
        log = [OUTBOX.c[name] for name in ("seq", "at", "kind", "run", "data")]
        found = (
            select(*log, RUN.c.pipeline, TASK.c.key)
            .select_from(OUTBOX)
            .join(RUN, RUN.c.number == OUTBOX.c.run)
            .outerjoin(TASK, task)
            .where(OUTBOX.c.seq > after, OUTBOX.c.seq <= upto, OUTBOX.c.kind.in_(_KINDS))
            .order_by(OUTBOX.c.seq)
            .limit(limit)
        )
        return [_observed(row) for row in self._connection.execute(found)]

    def observer(self, plugin: str) -> ObserverRow | None:
        row = self._connection.execute(_of(plugin)).first()
        return None if row is None else ObserverRow(*row)

    def add_observer(self, plugin: str, seq: int) -> None:
        dialect: Any = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        row = ObserverRow(plugin, seq)._asdict()
        self._connection.execute(dialect.insert(OBSERVER).values(row).on_conflict_do_nothing())

    def hold_observer(
        self, plugin: str, holder: str, now: float, until: float
    ) -> ObserverRow | None:
        free = or_(OBSERVER.c.holder == holder, OBSERVER.c.held_until <= now)
        held = update(OBSERVER).where(OBSERVER.c.plugin == plugin, free)
        changed = self._connection.execute(held.values(holder=holder, held_until=until))
        return self.observer(plugin) if changed.rowcount else None

    def move_observer(self, before: ObserverRow, after: ObserverRow) -> bool:
        mine = (
            OBSERVER.c.plugin == before.plugin,
            OBSERVER.c.holder == before.holder,
            OBSERVER.c.seq == before.seq,
        )
        moved = update(OBSERVER).where(*mine).values(after._asdict())
        return bool(self._connection.execute(moved).rowcount)


def _of(plugin: str) -> Any:
    return select(*_COLUMNS).where(OBSERVER.c.plugin == plugin)


def _observed(row: Any) -> ObservedRow:
    data = from_json(row.data) if isinstance(row.data, str) else row.data
    event = Event(
        id=f"{row.run}.{row.seq}",  # the number of a removed row may come again, a run's never
        at=row.at,
        kind=_KINDS[row.kind],  # type: ignore[arg-type]
        run=row.run,
        pipeline=row.pipeline,
        state=data.get("state", ""),
        step=row.key or "",
        attempt=data.get("attempt", 0),
        detail=data.get("detail", ""),
    )
    return ObservedRow(row.seq, event)
