"""The hot paths go to the driver itself: compiled once, run on its own cursor.

At a thousand turns a second what SQLAlchemy does for each execution is the larger part of
a turn. What it does besides is done here: errors of the driver become its errors, and a
connection that broke is given up.

Several statements go to PostgreSQL in one message, as calls of statements that it has
prepared. Not by the pipeline of its protocol: while one of these is open the server counts
its transaction as active, and never as idle. A client that is cut off or stopped in there
would keep its locks for as long as it likes, whatever `idle_in_transaction_session_timeout`
says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, exc


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as the driver takes it. `names` are its parameters in order, where they
    go by place; `constants` are those that it brings itself. `numbered` is the text as
    PostgreSQL itself prepares it, with the parameters called in the order of `called`."""

    text: str
    names: Sequence[str] | None
    constants: Mapping[str, Any]
    numbered: str
    called: Sequence[str]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        known = {**self.constants, **values} if self.constants else values
        return known if self.names is None else [known[name] for name in self.names]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        known = {**self.constants, **values}
        return [known[name] for name in self.called]


_PLACE = re.compile(r"%\((\w+)\)s|%%")


def prepare(statement: Any, dialect: Dialect) -> Prepared:
    compiled = statement.compile(dialect=dialect)
    given = [name for name, bind in compiled.binds.items() if bind.required]
    known = compiled.construct_params(dict.fromkeys(given))
    constants = {name: value for name, value in known.items() if name not in given}
    names = compiled.positiontup if compiled.positional else None
    return Prepared(str(compiled), names, constants, *_numbered(str(compiled)))


def _numbered(text: str) -> tuple[str, Sequence[str]]:
    """A text with named places as one with `$1`, `$2` …, and the names in that order."""
    called: dict[str, int] = {}

    def number(place: re.Match[str]) -> str:
        if place[1] is None:
            return "%"
        return f"${called.setdefault(place[1], len(called) + 1)}"

    return _PLACE.sub(number, text), tuple(called)


_PREPARED, _ROLLED_BACK = "tidemill_prepared", "tidemill_rolled_back"
"""What is known of a connection: the names of prepared statements by their texts, and
whether they are to be forgotten."""

Call = tuple[Prepared, Mapping[str, Any]]


@dataclass(slots=True)
class Driver:
    """Runs prepared statements on one connection."""

    connection: Connection
    _errors: tuple[type[Exception], ...] = ()
    """What the driver of a database that is far away raises. It is not imported for a
    file, whose own errors go through as they are."""
    _held: list[tuple[Call, tuple[str, int] | None]] | None = None
    """Within `together`: what will be written at its end."""

    def __post_init__(self) -> None:
        if self._is_far:
            self._errors = (self.connection.dialect.loaded_dbapi.Error,)

    @property
    def _is_far(self) -> bool:
        return self.connection.dialect.name != "sqlite"

    def fetch(self, prepared: Prepared, values: Mapping[str, Any]) -> list[Any]:
        """The rows, as plain tuples."""
        cursor = self._run(prepared, values)
        try:
            return list(cursor.fetchall())
        except self._errors as error:
            raise self._wrapped(prepared.text, error) from error
        finally:
            cursor.close()

    def fetch_all(self, calls: Sequence[Call]) -> list[list[Any]]:
        """The rows of several statements, which go to a database that is far away in one
        go, and are carried out one after the other."""
        if not self._is_far:
            return [self.fetch(*call) for call in calls]
        return [rows for rows, _ in self._at_once(calls)]

    def write(
        self, prepared: Prepared, values: Mapping[str, Any], expected: tuple[str, int] | None = None
    ) -> list[str]:
        """Writes. `expected` says what is written, and how many rows of it; what is
        returned are complaints about other numbers. Within `together` they come at its end."""
        if self._held is not None:
            self._held.append(((prepared, values), expected))
            return []
        return _complaints([(expected, self._run(prepared, values).rowcount)])

    @contextmanager
    def together(self) -> Iterator[list[str]]:
        """What is written inside goes to a database that is far away in one go. The list
        that is given holds the complaints at the end."""
        complaints: list[str] = []
        if not self._is_far:
            yield complaints
            return
        self._held = []
        try:
            yield complaints
            held = self._held
        finally:
            self._held = None
        results = self._at_once([call for call, _ in held])
        wanted = [expected for _, expected in held]
        counts = [count for _, count in results]
        complaints += _complaints(zip(wanted, counts, strict=True))

    def _at_once(self, calls: Sequence[Call]) -> list[tuple[list[Any], int]]:
        """Rows, and how many there were, of each."""
        if not calls:
            return []
        driver: Any = self.connection.connection.dbapi_connection
        try:
            text = b"; ".join(self._call(driver, *call) for call in calls)
            with driver.cursor() as cursor:
                cursor.execute(text)
                return list(_results(cursor))
        except self._errors as error:
            raise self._wrapped("", error) from error

    def _call(self, driver: Any, prepared: Prepared, values: Mapping[str, Any]) -> bytes:
        from psycopg.sql import Literal

        known: dict[str, str] = self.connection.info.setdefault(_PREPARED, {})
        if self.connection.info.pop(_ROLLED_BACK, False):
            driver.execute("DEALLOCATE ALL")
            known.clear()
        name = known.get(prepared.text)
        if name is None:
            name = f"tidemill_{len(known)}"
            driver.execute(f"PREPARE {name} AS {prepared.numbered}")
            known[prepared.text] = name
        literals = [Literal(value).as_bytes(driver) for value in prepared.arguments(values)]
        given = b"(" + b", ".join(literals) + b")" if literals else b""
        return b"EXECUTE " + name.encode() + given

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


def rolled_back(connection: Connection) -> None:
    """To be told of every transaction that was. After a rollback psycopg has the server
    forget all that was prepared, ours too, but only where it has prepared something itself:
    so nothing counts as prepared any more."""
    if not connection.invalidated:
        connection.info[_ROLLED_BACK] = True


def _results(cursor: Any) -> Iterator[tuple[list[Any], int]]:
    more: bool | None = True
    while more:
        yield cursor.fetchall() if cursor.description else [], cursor.rowcount
        more = cursor.nextset()


def _complaints(counts: Iterable[tuple[tuple[str, int] | None, int]]) -> list[str]:
    return [
        f"{expected[0]}: {expected[1] - count} of {expected[1]} rows had changed"
        for expected, count in counts
        if expected is not None and count != expected[1]
    ]
