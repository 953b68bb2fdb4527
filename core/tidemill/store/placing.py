"""What placing steps on workers asks of the database: the lines of what is to be placed, what
workers have to do, and which of them are cordoned."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, insert, select

from tidemill.model.rows import CordonRow, DutyRow, Queue
from tidemill.store.access import Access
from tidemill.store.columns import CORDON

_LOCK = 0x7469_6465_0001
"""Of the database's advisory locks the one that whoever places holds."""


class Placing(Access):
    """The part of a transaction that is about placing steps."""

    def may_place(self) -> bool:
        if self._connection.dialect.name == "sqlite":
            return True
        taken = self._connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))
        return bool(taken.scalar_one())

    def lines(self) -> list[Queue]:
        return [Queue(pool, lane) for pool, lane in self._fetch("lines")]

    def duties(self) -> list[DutyRow]:
        return [
            DutyRow(worker, run, step, bool(placed), tasks)
            for worker, run, step, placed, tasks in self._fetch("duties")
        ]

    def cordons(self) -> list[CordonRow]:
        rows = self._connection.execute(select(CORDON).order_by(CORDON.c.worker)).mappings()
        return [CordonRow(**row) for row in rows]

    def cordon(self, row: CordonRow) -> None:
        self.uncordon([row.worker])
        self._connection.execute(insert(CORDON).values(row._asdict()))

    def uncordon(self, workers: Iterable[str]) -> int:
        found = delete(CORDON).where(CORDON.c.worker.in_(list(workers)))
        return int(self._connection.execute(found).rowcount)
