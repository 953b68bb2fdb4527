"""What databases complain of, in words for the person who must act; and what of it passes:
whoever can wait, waits for that, as for a database that cannot be reached."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import URL

from tidemill.errors import TidemillError
from tidemill.ports import UnavailableError


class DatabaseError(TidemillError):
    """The database cannot be used."""


@contextmanager
def said_in_words(where: object) -> Iterator[None]:
    """Turns what a database says into an error for the person who must act.

    Raises:
        UnavailableError: it cannot do it now: later it may.
        DatabaseError: it cannot do it.
    """
    try:
        yield
    except exc.DBAPIError as error:
        if type(error.orig).__module__.startswith("psycopg"):
            raise _of_postgres(error, where) from error
        raise _of_sqlite(error.orig, where) from error
    except sqlite3.Error as error:
        raise _of_sqlite(error, where) from error
    except OSError as error:
        raise DatabaseError(f"{where}: {error.strerror}") from error


def shown(where: object) -> str:
    """A database by a name that holds no password."""
    if not isinstance(where, URL):
        return str(where)
    if where.get_backend_name() == "sqlite":
        return str(where.database)
    return where.set(drivername="postgresql", password=None, query={}).render_as_string()


@dataclass(frozen=True, slots=True)
class _Complaint:
    """`sign` is the beginning of a code of PostgreSQL, or part of a text of SQLite."""

    sign: str
    words: str
    hint: str
    passes: bool = True

    def error(self, where: object, detail: str) -> TidemillError:
        kind = UnavailableError if self.passes else DatabaseError
        return kind(f"{shown(where)}{self.words.format(detail)}", self.hint)


# --- PostgreSQL ----------------------------------------------------------------------

_AWAY = _Complaint("", " cannot be reached: {}", "is PostgreSQL up, and the URL right?")

_POSTGRES = (
    _Complaint("08", _AWAY.words, _AWAY.hint),
    _Complaint("57P", _AWAY.words, _AWAY.hint),  # it is going down, or coming up
    _Complaint("57", " has broken off: {}", "did somebody, or a time-out of its own, tell it to?"),
    _Complaint("53100", ": the disk is full", "free some space on the database's host"),
    _Complaint("53", " is short of something: {}", "give it more, or let it do less"),
    _Complaint("58", " has trouble with its system: {}", "its log says more; is its disk sound?"),
    _Complaint("25006", " may only be read", "is it a standby? the URL must lead to the primary"),
    _Complaint("40", " keeps meeting what others write: {}", "try again"),
)
"""By the beginnings of its codes (appendix A of its manual), the first that fits."""


def _of_postgres(error: exc.DBAPIError, where: object) -> TidemillError:
    code, line = getattr(error.orig, "sqlstate", None), _first_line(error.orig)
    if code is None:  # whoever cannot connect at all gets none
        away = isinstance(error, exc.OperationalError)
        return _AWAY.error(where, line) if away else DatabaseError(f"{shown(where)}: {line}")
    for complaint in _POSTGRES:
        if code.startswith(complaint.sign):
            return complaint.error(where, line)
    if error.connection_invalidated:
        return _AWAY.error(where, line)
    return DatabaseError(f"{shown(where)}: {line}")


# --- SQLite --------------------------------------------------------------------------

_SQLITE = (
    _Complaint(
        "disk is full", ": the disk is full", "free some space, then `tidemill retry` goes on"
    ),
    _Complaint(
        "disk I/O error",
        ": the disk gave an error",
        "is it full, or gone? free space or mend it",
    ),
    _Complaint(
        "locked", ": another process has kept it locked", "see what else runs here, then try again"
    ),
    _Complaint(
        "readonly", ": it may only be read", "make the folder and its files writable", passes=False
    ),
    _Complaint(
        "unable to open",
        ": it cannot be opened",
        "is the folder writable, its disk not read-only?",
        passes=False,
    ),
    _Complaint(
        "malformed", ": it is damaged", "move it away, or restore it from a copy", passes=False
    ),
    _Complaint(
        "not a database",
        ": it is not a database",
        "move it away; a new one is made",
        passes=False,
    ),
)


def _of_sqlite(error: Any, where: object) -> TidemillError:
    text = str(error)
    for complaint in _SQLITE:
        if complaint.sign in text:
            return complaint.error(where, text)
    return DatabaseError(f"{shown(where)}: {_first_line(text)}")


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0]
