"""Reading the past from a replica of PostgreSQL, and from the primary where the replica
cannot be asked or has not heard of something yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, text

from tidemill.errors import TidemillError, UsageError
from tidemill.model.rows import RunRow
from tidemill.ports import UnavailableError
from tidemill.store.database import open_postgres
from tidemill.store.history import SqlHistory
from tidemill.store.trouble import said_in_words

LAG = 10.0
"""Seconds by which a replica may be behind before it is said."""

_STANDING = text("""
    SELECT
        pg_is_in_recovery(),
        EXISTS (SELECT FROM pg_stat_wal_receiver)
            AND pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn(),
        extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8
""")
"""Whether it is a replica; is in contact, and has done all it was told; how old its last
news is."""


class ReplicaHistory(SqlHistory):
    """`tell` is told what a person should know of where this comes from."""

    def __init__(self, replica: str, primary: str | None, tell: Callable[[str], None]) -> None:
        """Raises:
        TidemillError: neither of them can be read.
        """
        self._primary, self._tell = primary, tell
        try:
            super().__init__(open_postgres(replica, readonly=True))
            self._tell_lag(self._engine)
        except UsageError:
            raise
        except TidemillError as error:
            self._engine = self._other(error)

    def run(self, number: int) -> RunRow | None:
        found = super().run(number)
        if found is None and self._primary is not None:  # it may be too new
            try:
                self._turn_to(self._opened())
            except UnavailableError as error:
                self._tell(f"{error.message}, and may know of more than the replica")
                return None
            found = super().run(number)
        return found

    def _all(self, query: Any) -> list[Any]:
        try:
            return super()._all(query)
        except UnavailableError as error:
            self._turn_to(self._other(error))
            return super()._all(query)

    def _other(self, error: TidemillError) -> Engine:
        if self._primary is None:
            raise error
        engine = self._opened()
        self._tell(f"the replica cannot be asked, so the primary was: {error.message}")
        return engine

    def _opened(self) -> Engine:
        primary, self._primary = self._primary, None
        return open_postgres(primary or "", readonly=True)

    def _turn_to(self, engine: Engine) -> None:
        self._engine.dispose()
        self._engine = engine

    def _tell_lag(self, engine: Engine) -> None:
        with said_in_words(engine.url), engine.connect() as connection:
            replica, up_to_date, age = connection.execute(_STANDING).one()
        if replica and not up_to_date and (age is None or age > LAG):
            known = "of unknown age" if age is None else f"{age:.0f} s old"
            self._tell(f"the replica is behind: its last news is {known}")
