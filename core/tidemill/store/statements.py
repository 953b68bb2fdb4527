"""The statements, made once for a database's dialect.

One a purpose, named for it; `tidemill.store.transaction` runs them. Batches come in as
one JSON parameter (see `tidemill.store.batch`).
"""

from __future__ import annotations

from sqlalchemy import (
    Dialect,
)

from tidemill.store.alarm_statements import AlarmStatements
from tidemill.store.driver import Prepared, prepare
from tidemill.store.reading import Reading
from tidemill.store.writing import Writing


class Statements(Reading, Writing, AlarmStatements):
    """Who changes anything of a run first locks the head of its family: those it was told of
    by `lock`, which waits, and those it looks for by what skips. All other reads are then
    of rows that nobody else changes, and lock nothing."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect.name
        self._compiler = dialect
        self._prepared: dict[str, Prepared] = {}

    def prepared(self, name: str) -> Prepared:
        """The statement of this name as the driver takes it: see `tidemill.store.driver`."""
        if name not in self._prepared:
            self._prepared[name] = prepare(getattr(self, name), self._compiler)
        return self._prepared[name]
