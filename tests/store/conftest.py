from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_sqlite(tmp_path / "state" / "tidemill.db")
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_store(sqlite_engine: Engine) -> SqlStore:
    return SqlStore(sqlite_engine)
