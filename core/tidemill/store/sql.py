"""The store: transactions on a database, one at a time.

They run on the caller's thread, which suits a file: a turn takes less time than handing
it to another thread and back. `threaded` gives them a thread of their own, for a database
that is far away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, exc

from tidemill.ports import Transaction, UnavailableError
from tidemill.store.driver import rolled_back
from tidemill.store.statements import Statements
from tidemill.store.transaction import SqlTransaction
from tidemill.store.trouble import said_in_words

T = TypeVar("T")

_CONFLICTS = frozenset({"40001", "40P01"})
"""PostgreSQL's codes for a serialization failure and a deadlock."""

TRIES = 20
"""How often a transaction is tried that others keep from committing."""


class SqlStore:
    """See `tidemill.ports.Store`."""

    def __init__(self, engine: Engine, *, threaded: bool = False) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._statements = Statements(engine.dialect)
        self._thread = ThreadPoolExecutor(1, "store") if threaded else None

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        if self._thread is None:
            return self.transact_now(work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.transact_now, work)

    def transact_now(self, work: Callable[[Transaction], T]) -> T:
        """The same, on this thread. Not to be mixed with transactions under way."""
        with said_in_words(self._engine.url):
            for _ in range(TRIES - 1):
                try:
                    return self._once(work)
                except exc.DBAPIError as error:
                    if not self._may_repeat(error):
                        raise
            return self._once(work)

    def _once(self, work: Callable[[Transaction], T]) -> T:
        connection = self._connected()
        try:
            with connection.begin() as transaction:
                done = work(SqlTransaction(connection, self._statements))
                try:
                    transaction.commit()
                except exc.DBAPIError as error:
                    if self._broken(error):
                        raise _in_doubt(error) from error
                    raise
                return done
        except BaseException:
            rolled_back(connection)
            raise

    def _connected(self) -> Connection:
        """The connection; a new one where the last one broke."""
        if self._connection is None or self._connection.invalidated:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._connection = self._engine.connect()
        return self._connection

    def _may_repeat(self, error: exc.DBAPIError) -> bool:
        """Whether nothing of the transaction was done and another try may go well: it
        conflicted with another one. A connection that broke is given one more try by the
        caller, who knows how long to wait."""
        return getattr(error.orig, "sqlstate", None) in _CONFLICTS

    def _broken(self, error: exc.DBAPIError) -> bool:
        return error.connection_invalidated

    def clock_ahead(self) -> float:
        """Seconds by which the database's clock is ahead of this system's: what all
        schedulers of one database can agree on."""
        if self._engine.dialect.name == "sqlite":
            return 0.0
        with said_in_words(self._engine.url):
            connection = self._connected()
            asked = time.time()
            now = connection.exec_driver_sql(
                "SELECT extract(epoch FROM clock_timestamp())::float8"
            ).scalar_one()
            answered = time.time()
            connection.rollback()
            rolled_back(connection)
            return float(now) - (asked + answered) / 2

    async def sync(self) -> None:
        if self._engine.dialect.name == "sqlite":
            with said_in_words(self._engine.url):
                connection = self._connected()
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


def _in_doubt(error: exc.DBAPIError) -> UnavailableError:
    return UnavailableError(
        f"the connection to the database broke in the moment of committing: {error.orig}",
        "it is not known whether it was stored: look before you ask again",
    )
