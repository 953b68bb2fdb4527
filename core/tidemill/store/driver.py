"""The hot paths go to the driver itself: compiled once, run on its own cursor.

At a thousand turns a second what SQLAlchemy does for each execution is the larger part of
a turn. What it does besides is done here: errors of the driver become its errors, and a
connection that broke is given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Dialect, exc


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as the driver takes it. `names` are its parameters in order, where they
    go by place; `constants` are those that it brings itself."""

    text: str
    names: Sequence[str] | None
    constants: Mapping[str, Any]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        known = {**self.constants, **values} if self.constants else values
        return known if self.names is None else [known[name] for name in self.names]


def prepare(statement: Any, dialect: Dialect) -> Prepared:
    compiled = statement.compile(dialect=dialect)
    given = [name for name, bind in compiled.binds.items() if bind.required]
    known = compiled.construct_params(dict.fromkeys(given))
    constants = {name: value for name, value in known.items() if name not in given}
    return Prepared(str(compiled), compiled.positiontup if compiled.positional else None, constants)


@dataclass(slots=True)
class Driver:
    """Runs prepared statements on one connection."""

    connection: Connection
    _errors: tuple[type[Exception], ...] = ()
    """What the driver of a database that is far away raises. It is not imported for a
    file, whose own errors go through as they are."""
    _together: bool = False
    _expected: list[tuple[Any, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.connection.dialect.name != "sqlite":
            self._errors = (self.connection.dialect.loaded_dbapi.Error,)

    def fetch(self, prepared: Prepared, values: Mapping[str, Any]) -> list[Any]:
        """The rows, as plain tuples."""
        cursor = self._run(prepared, values)
        try:
            return list(cursor.fetchall())
        except self._errors as error:
            raise self._wrapped(prepared.text, error) from error
        finally:
            cursor.close()

    def fetch_all(
        self, statements: Sequence[tuple[Prepared, Mapping[str, Any]]]
    ) -> list[list[Any]]:
        """The rows of several statements, which go to a database that is far away in one
        go, and are carried out one after the other."""
        if self.connection.dialect.name == "sqlite" or len(statements) < 2:
            return [self.fetch(*statement) for statement in statements]
        driver: Any = self.connection.connection.dbapi_connection
        try:
            with driver.pipeline():
                cursors = [self._run(*statement) for statement in statements]
                return [list(cursor.fetchall()) for cursor in cursors]
        except self._errors as error:
            raise self._wrapped("", error) from error

    def write(
        self, prepared: Prepared, values: Mapping[str, Any], expected: tuple[str, int] | None = None
    ) -> list[str]:
        """Writes. `expected` says what is written, and how many rows of it; what is
        returned are complaints about other numbers. Within `together` they come at its end."""
        cursor = self._run(prepared, values)
        if expected is not None:
            self._expected.append((cursor, *expected))
        return [] if self._together else self._complaints()

    @contextmanager
    def together(self) -> Iterator[list[str]]:
        """What is written inside goes to a database that is far away in one go. The list
        that is given holds the complaints at the end."""
        complaints: list[str] = []
        if self.connection.dialect.name == "sqlite":
            yield complaints
            return
        driver: Any = self.connection.connection.dbapi_connection
        self._together = True
        try:
            with driver.pipeline():
                yield complaints
        except self._errors as error:
            raise self._wrapped("", error) from error
        finally:
            self._together = False
        complaints += self._complaints()

    def _complaints(self) -> list[str]:
        found, self._expected = self._expected, []
        return [
            f"{what}: {count - cursor.rowcount} of {count} rows had changed"
            for cursor, what, count in found
            if cursor.rowcount != count
        ]

    def _run(self, prepared: Prepared, values: Mapping[str, Any]) -> Any:
        cursor = self.connection.connection.cursor()
        try:
            cursor.execute(prepared.text, prepared.parameters(values))
        except self._errors as error:
            raise self._wrapped(prepared.text, error) from error
        return cursor

    def _wrapped(self, statement: str, error: Exception) -> exc.DBAPIError:
        """The error as SQLAlchemy would have raised it."""
        driver: Any = self.connection.connection.dbapi_connection
        broken = bool(driver is None or driver.closed)
        names = (kind.__name__ for kind in type(error).__mro__)
        kind: type[exc.DBAPIError] = next(
            (getattr(exc, name) for name in names if hasattr(exc, name)), exc.DBAPIError
        )
        if broken:
            self.connection.invalidate(error)
        return kind(statement, None, error, connection_invalidated=broken)
