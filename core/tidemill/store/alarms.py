"""Alarms: see `tidemill.ports.Alarms`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidemill.model.rows import AlarmRow, TaskRef
from tidemill.store.access import Access
from tidemill.store.batch import fold


class Alarms(Access):
    """The part of a transaction that is about alarms."""

    def due_alarms(self, now: float, limit: int) -> list[AlarmRow]:
        return [_row(row) for row in self._fetch("due_alarms", now=now, limit=limit)]

    def alarms(self, refs: Iterable[TaskRef]) -> list[AlarmRow]:
        return [_row(row) for row in self._select("alarms", refs)]

    def alarms_of(self, runs: Iterable[int]) -> list[AlarmRow]:
        return [_row(row) for row in self._select("alarms_of_runs", [(run,) for run in runs])]

    def set_alarms(self, rows: Sequence[AlarmRow]) -> None:
        self._write("set_alarms", fold(rows))

    def drop_alarms(self, rows: Sequence[AlarmRow]) -> None:
        self._write("drop_alarms", fold(row[:3] for row in rows))

    def move_up(self, runs: Mapping[int, int], seconds: float) -> None:
        values = {"rows": fold(runs.items()), "seconds": seconds}
        self._driver.write(self._sql.prepared("move_up"), values)


def _row(row: Sequence[object]) -> AlarmRow:
    found = AlarmRow(*row)  # type: ignore[arg-type]
    return found._replace(pooled=bool(found.pooled))
