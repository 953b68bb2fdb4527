"""Opening a database: connection settings and schema.

SQLite runs in WAL with `synchronous = NORMAL`: a commit outlasts the death of every
process; where it must outlast a loss of power, `Store.sync` forces it to the disk.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from tidemill.errors import UsageError
from tidemill.store import tables
from tidemill.store.migrations import HEAD, stored_revision, upgrade
from tidemill.store.trouble import DatabaseError, said_in_words, shown

BUSY_SECONDS = 30.0
"""How long a writer waits for another process's transaction."""


class NoSchemaError(DatabaseError):
    """It is empty: whoever makes it has not come far, or was killed."""


def open_sqlite(path: Path) -> Engine:
    """Opens, and creates or upgrades, the database in this file.

    Raises:
        DatabaseError: it cannot be opened, read or written, and why.
    """
    _make_folder(path.parent)
    engine = _engine(path)
    with said_in_words(path), engine.connect() as connection:
        revision = stored_revision(connection)
        if revision != HEAD:
            upgrade(connection, revision)
    return engine


class InMemory:
    """A database that is gone with its process: for simulations, of which there are many,
    one after the other. Statements that were prepared for one serve the next one too."""

    def __init__(self) -> None:
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        tables.metadata().create_all(self.engine)
        self._nothing = sqlite3.connect(":memory:")
        self._driver().backup(self._nothing)

    def empty(self) -> None:
        """Takes everything out of it, in no time; also what was done to its schema."""
        self._nothing.backup(self._driver())

    def _driver(self) -> sqlite3.Connection:
        driver = self.engine.raw_connection().driver_connection
        if not isinstance(driver, sqlite3.Connection):
            raise TypeError(f"{driver!r} is no connection of SQLite")
        return driver


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DatabaseError(f"{folder} cannot be a folder: a file is in its place") from None
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}") from error


def open_sqlite_readonly(path: Path) -> Engine:
    """Opens an existing database for reading; one of an older version is upgraded before.

    Raises:
        NoSchemaError: it is empty.
        DatabaseError: it cannot be opened or read, or is of a newer version.
    """
    engine = _engine(path, readonly=True)
    with said_in_words(path), engine.connect() as connection:
        revision = stored_revision(connection)
    if revision is None:
        raise NoSchemaError(f"{path} is empty", "`tidemill run` makes what it needs in it")
    if revision > HEAD:
        raise DatabaseError(
            f"{path} was made by another version of Tidemill (its schema is {revision})",
            "a newer database needs a newer Tidemill",
        )
    if revision < HEAD:
        open_sqlite(path).dispose()
    return engine


def _engine(path: Path, *, readonly: bool = False) -> Engine:
    def connect() -> sqlite3.Connection:
        mode = "rwc"
        if readonly:
            mode = "ro&immutable=1" if _is_frozen(path) else "ro"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        if not readonly:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    engine = create_engine(URL.create("sqlite", database=str(path)), creator=connect)
    begin = "BEGIN" if readonly else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # On the driver's own cursor: SQLAlchemy's takes longer than the statement.
        connection.connection.cursor().execute(begin)

    return engine


def _is_frozen(path: Path) -> bool:
    """Whether nobody can write to it. A reader of WAL writes to a file of its own beside
    the database, if it is not told that there is no need."""
    beside = path.with_name(f"{path.name}-wal")
    return not os.access(path.parent, os.W_OK) and not beside.exists()


def open_postgres(url: str, *, readonly: bool = False) -> Engine:
    """Opens the PostgreSQL database at this URL (`postgresql://…`), which `upgrade_schema`
    has given its tables.

    Raises:
        UsageError: it is no URL of PostgreSQL.
        UnavailableError: it cannot be reached.
        DatabaseError: its schema is of another version.
    """
    engine = postgres_engine(url, readonly=readonly)
    with said_in_words(engine.url), engine.connect() as connection:
        revision = stored_revision(connection)
    if revision is None:
        raise NoSchemaError(
            f"{shown(engine.url)} has no tables yet", "`tidemill db upgrade` makes them"
        )
    if revision != HEAD:
        raise DatabaseError(
            f"{shown(engine.url)} was made by another version of Tidemill"
            f" (its schema is {revision}, this one needs {HEAD})",
            "`tidemill db upgrade` upgrades an older one; a newer one needs a newer Tidemill",
        )
    return engine


def upgrade_postgres(url: str) -> str | None:
    """Gives a database its tables, or those of an older version the present form; the
    schema's revision before. Safe to repeat, and to be done by several at once.

    Raises:
        TidemillError: as `open_postgres`, or it is of a newer version.
    """
    engine = postgres_engine(url)
    with said_in_words(engine.url), engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_UPGRADING})")
        connection.commit()
        revision = stored_revision(connection)
        if revision != HEAD:
            upgrade(connection, revision)
            connection.commit()
    engine.dispose()
    return revision


_UPGRADING = 0x71DE
"""The advisory lock of whoever upgrades the schema."""

_SESSION = {
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
"""How long a transaction may stand still before PostgreSQL ends it, and how soon it finds out
that there is nobody any more: whoever was stopped or cut off in the middle of one must not
hold its locks for longer."""

_READER = {"default_transaction_read_only": "on"}
_WRITER = {"enable_bitmapscan": "off", "random_page_cost": "1.1"}
"""Tasks come and go in the indexes of what is ready and at work; each leaves a dead entry behind
until the next vacuum, minutes later. A scan along an index marks these, so that the next one
passes them by; one by a bitmap, which PostgreSQL prefers for so few rows, reads them all again
and again."""


def postgres_engine(url: str, *, readonly: bool = False) -> Engine:
    """What connects to this database when it is asked to, and looks at nothing before."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise UsageError(_NO_URL, "write it as postgresql://user@host:5432/name") from None
    if parsed.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise UsageError(_NO_URL, "write it as postgresql://user@host:5432/name")
    settings = _SESSION | (_READER if readonly else _WRITER)
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "application_name": "tidemill",
            "options": options,
        },
    )


_NO_URL = "the database's URL is not one of PostgreSQL"
