"""How the parts of a transaction reach the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from tidemill.ports import StaleError
from tidemill.store.batch import fold
from tidemill.store.driver import Driver
from tidemill.store.row_values import Rows
from tidemill.store.statements import Statements


class Access:
    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._sql = statements
        self._driver = Driver(connection)
        self._read = Rows(connection.dialect.name)

    def _fetch(self, name: str, **values: Any) -> list[Any]:
        return self._driver.fetch(self._sql.prepared(name), values)

    def _select(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Any]:
        return self._fetch(name, rows=fold(rows))

    def _update(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        prepared = self._sql.prepared(name)
        complaints = self._driver.write(prepared, {"rows": fold(rows)}, (name, len(rows)))
        if complaints:
            raise StaleError("; ".join(complaints))

    def _write(self, name: str, rows: str) -> None:
        self._driver.write(self._sql.prepared(name), {"rows": rows})
