"""What workers say of themselves, and what changed behind the schedulers' backs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select

from tidemill.model.rows import (
    TaskRef,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.store.access import Access
from tidemill.store.batch import as_json, fold
from tidemill.store.columns import (
    SIGNAL,
    WORKER,
)


class Workers(Access):
    """The part of a transaction that is about workers and signals."""

    def standing(
        self, claims: Iterable[tuple[TaskRef, int]]
    ) -> dict[tuple[TaskRef, int], tuple[TaskState, RunState]]:
        rows = fold((ref.run, ref.ordinal, fence) for ref, fence in claims)
        found = self._connection.execute(self._sql.standing, {"rows": rows})
        return {
            (TaskRef(run, ordinal), fence): (TaskState(state), RunState(run_state))
            for run, ordinal, fence, state, run_state in found
        }

    def save_workers(self, rows: Sequence[WorkerRow]) -> None:
        latest = {row.name: row for row in rows}
        values = [
            (*row[:4], as_json(dict(row.labels)), *row[5:7], as_json(dict(row.resources)))
            for row in latest.values()
        ]
        self._write("save_workers", fold(values))

    def workers(self) -> list[WorkerRow]:
        rows = self._connection.execute(select(WORKER).order_by(WORKER.c.name)).mappings()
        return [WorkerRow(**row) for row in rows]

    def forget_workers(self, heard_before: float) -> None:
        self._connection.execute(delete(WORKER).where(WORKER.c.heard_at < heard_before))

    def signal(self, run: int, *, cancel: bool = False) -> None:
        self._connection.execute(insert(SIGNAL).values(run=run, cancel=cancel))

    def take_signals(self, limit: int) -> dict[int, bool]:
        found = self._connection.execute(self._sql.take_signals, {"limit": limit})
        signals: dict[int, bool] = {}
        for run, cancel in found:
            signals[run] = signals.get(run, False) or bool(cancel)
        return signals
