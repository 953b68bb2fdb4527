"""The store: transactions on a database, one at a time.

They run on the caller's thread, which suits a file: a turn takes less time than handing
it to another thread and back. `threaded` gives them a thread of their own, for a database
that is far away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine

from tidemill.ports import Transaction
from tidemill.store.database import said_in_words
from tidemill.store.statements import Statements
from tidemill.store.transaction import SqlTransaction

T = TypeVar("T")


class SqlStore:
    """See `tidemill.ports.Store`."""

    def __init__(self, engine: Engine, *, threaded: bool = False) -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._statements = Statements(engine.dialect)
        self._thread = ThreadPoolExecutor(1, "store") if threaded else None

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        if self._thread is None:
            return self.transact_now(work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.transact_now, work)

    def transact_now(self, work: Callable[[Transaction], T]) -> T:
        """The same, on this thread. Not to be mixed with transactions under way."""
        with said_in_words(self._engine.url.database), self._connection.begin():
            return work(SqlTransaction(self._connection, self._statements))

    async def sync(self) -> None:
        if self._engine.dialect.name == "sqlite":
            with said_in_words(self._engine.url.database):
                self._connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        self._connection.close()
        self._engine.dispose()
