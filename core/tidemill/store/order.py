"""How long steps take, and what only one scheduler may decide on at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import text

from tidemill.model.rows import DurationRow
from tidemill.model.states import RunState
from tidemill.store.access import Access
from tidemill.store.batch import fold

_LOCK = text(
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key"
    " FROM unnest(CAST(:names AS text[])) AS name ORDER BY key OFFSET 0) AS keys"
)
"""`OFFSET` keeps the order: without it the locks may be taken before the rows are sorted."""


class Order(Access):
    """The part of a transaction that order is made by: see `tidemill.ports.Turn`."""

    def durations(self, pipelines: Iterable[str]) -> list[DurationRow]:
        found = self._select("durations", [(name,) for name in sorted(set(pipelines))])
        return [DurationRow(*row) for row in found]

    def learn(self, rows: Sequence[DurationRow]) -> None:
        self._write("learn", fold(rows))

    def lock(self, kind: str, names: Sequence[str]) -> None:
        """SQLite needs none of it: its transactions come one by one. In order, so that no two
        wait for each other."""
        if names and self._connection.dialect.name != "sqlite":
            self._connection.execute(_LOCK, {"names": [f"{kind}:{name}" for name in names]})

    def at_work(self, pipelines: Iterable[str]) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {name: set() for name in pipelines}
        for pipeline, number in self._select("at_work", [(name,) for name in found]):
            found[pipeline].add(number)
        return found

    def waiting_runs(self, pipeline: str, limit: int) -> list[int]:
        state = RunState.PENDING.value
        rows = self._fetch("waiting_runs", pipeline=pipeline, limit=limit, state=state)
        return [number for (number,) in rows]
