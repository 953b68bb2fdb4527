"""The store on real SQLite files: compare-and-set, batches, indexes, errors in words."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from tidemill.errors import TidemillError
from tidemill.model.rows import AttemptRow, EventRow, TaskRow
from tidemill.store import tables
from tidemill.store.database import open_sqlite, open_sqlite_readonly
from tidemill.store.migrations import HEAD
from tidemill.store.sql import SqlStore
from tidemill.store.statements import Statements
from tidemill.testing.store import RUN, DirectStore, StoreConformance, fill, task


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    return sqlite_engine


@pytest.fixture
def store(sqlite_store: SqlStore) -> SqlStore:
    return sqlite_store


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def store(self, sqlite_store: SqlStore) -> SqlStore:
        return sqlite_store

    def attempts(self, store: DirectStore) -> list[tuple[Any, ...]]:
        assert isinstance(store, SqlStore)
        with store._engine.connect() as connection:  # noqa: SLF001
            rows = connection.exec_driver_sql("SELECT worker, outcome, peak_memory FROM attempt")
            return [tuple(row) for row in rows]

    def count(self, store: DirectStore, table: str) -> int:
        assert isinstance(store, SqlStore)
        with store._engine.connect() as connection:  # noqa: SLF001
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_a_batch_is_as_many_statements_as_a_row(store: SqlStore) -> None:
    fill(store, [task(i) for i in range(500)])
    counts = []
    for size in (1, 500):
        seen: list[str] = []
        raw = store._connected().connection.dbapi_connection  # noqa: SLF001 - counts below SQLAlchemy
        assert isinstance(raw, sqlite3.Connection)
        raw.set_trace_callback(seen.append)
        rows = [task(i, fence=size > 1 and i == 0) for i in range(size)]
        after = [row._replace(fence=row.fence + 1) for row in rows]
        events = [EventRow(1.0, "task", 1, row.ordinal, {"a": 1}) for row in rows]
        attempts = [AttemptRow(1, row.ordinal, 1, 1, "w", 1.0) for row in rows]

        def work(
            tx: object,
            pairs: list[tuple[TaskRow, TaskRow]],
            events: list[EventRow],
            attempts: list[AttemptRow],
        ) -> None:
            tx.save_tasks(pairs)  # type: ignore[attr-defined]
            tx.record(events)  # type: ignore[attr-defined]
            tx.save_attempts(attempts)  # type: ignore[attr-defined]
            tx.tasks([row.ref for row, _ in pairs])  # type: ignore[attr-defined]

        pairs = list(zip(rows, after, strict=True))
        store.transact_now(lambda tx, p=pairs, e=events, a=attempts: work(tx, p, e, a))
        raw.set_trace_callback(None)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_hot_statements_use_their_indexes(engine: Engine) -> None:
    statements = Statements(engine.dialect)
    hot = {
        "ready": statements.ready,
        "active": statements.active,
        "limited": statements.limited,
        "due": statements.due,
        "tasks": statements.tasks,
        "save_tasks": statements.save_tasks,
        "child": statements.child,
    }
    values = {"run": 1, "now": 1.0, "limit": 4, "pool": "default", "rows": "[]", "key": "a"}
    with engine.connect() as connection:
        for name, statement in hot.items():
            compiled = statement.compile(dialect=engine.dialect)
            wanted = {
                **compiled.params,
                **{k: v for k, v in values.items() if k in compiled.params},
            }
            bound = tuple(wanted[key] for key in compiled.positiontup or ())
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", bound).fetchall()
            steps = [row[3] for row in plan]
            assert any("SEARCH task" in step or "USING INDEX task_" in step for step in steps), name
            assert not any(step == "SCAN task" for step in steps), (name, steps)


def test_every_statement_has_a_form_for_postgresql() -> None:
    statements = Statements(postgresql.dialect())
    names = [name for name in vars(type(statements)) if not name.startswith("_")]
    for name in names:
        if name != "prepared":
            assert str(getattr(statements, name).compile(dialect=postgresql.dialect()))
    assert "SKIP LOCKED" in str(statements.ready_beside_full.compile(dialect=postgresql.dialect()))


def test_the_migrations_make_what_the_tables_say(engine: Engine) -> None:
    assert tables.Task.__tablename__ == "task"
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar() == HEAD


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "tidemill.db"
    path.write_bytes(b"not a database at all, but long enough to look" * 50)
    with pytest.raises(TidemillError, match="not a database") as caught:
        open_sqlite(path)
    assert caught.value.hint


def test_a_newer_schema_is_refused_in_words(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for open_ in (open_sqlite, open_sqlite_readonly):
        with pytest.raises(TidemillError, match="9999"):
            open_(tmp_path / "state" / "tidemill.db")


def test_a_state_folder_that_is_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / ".tidemill").write_text("")
    with pytest.raises(TidemillError, match=r"\.tidemill"):
        open_sqlite(tmp_path / ".tidemill" / "tidemill.db")


async def test_on_a_thread_of_its_own_it_gives_the_same(engine: Engine) -> None:
    store = SqlStore(engine, threaded=True)
    await store.transact(lambda tx: tx.add_definition("d1", "p", b"{}", 1.0))
    number = await store.transact(lambda tx: tx.new_runs([RUN])[0])
    assert await store.transact(lambda tx: tx.runs([number])) == [RUN._replace(number=number)]
    await store.sync()
    await store.close()


@pytest.mark.usefixtures("engine")
def test_nothing_is_written_through_a_reading_connection(tmp_path: Path) -> None:
    reading = open_sqlite_readonly(tmp_path / "state" / "tidemill.db")
    with reading.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM run")
