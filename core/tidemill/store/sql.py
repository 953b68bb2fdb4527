"""The store: transactions on a database, one at a time, on a thread of their own.

While one commits, the next reports gather, so that the slower the disk is the larger
the batches become. `threaded = False` works on the caller's thread instead, for those
who need one deterministic order of events.
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

    def __init__(self, engine: Engine, *, threaded: bool = True) -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._statements = Statements(engine.dialect.name)
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

    async def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        self._connection.close()
        self._engine.dispose()
