"""The store on real SQLite files: compare-and-set, batches, indexes, errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from tidemill.errors import TidemillError
from tidemill.model.rows import AttemptRow, EventRow, RunRow, StageRef, StageRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import StaleError
from tidemill.store import tables
from tidemill.store.database import open_sqlite, open_sqlite_readonly
from tidemill.store.migrations import HEAD
from tidemill.store.sql import SqlStore
from tidemill.store.statements import Statements

RUN = RunRow(
    0, "d1", "p", "p.tide", RunState.RUNNING, 1.0, params={"x": [1]}, open=2, excluded=(3,)
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_sqlite(tmp_path / "state" / "tidemill.db")
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> SqlStore:
    return SqlStore(engine)


def _task(ordinal: int, state: TaskState = TaskState.READY, **fields: object) -> TaskRow:
    row = TaskRow(1, ordinal, ordinal % 2, f"t{ordinal}", state, run_at=5.0)
    return row._replace(**fields)


def _fill(store: SqlStore, tasks: list[TaskRow]) -> int:
    def work(tx: object) -> int:
        tx.add_definition("d1", "p", b"{}", 1.0)  # type: ignore[attr-defined]
        number = tx.new_run(RUN)  # type: ignore[attr-defined]
        stages = [StageRow(number, 0, 0, 1), StageRow(number, 1, 1, 1, tasks=2)]
        tx.insert(stages, tasks)  # type: ignore[attr-defined]
        return int(number)

    return store.transact_now(work)


def test_everything_comes_back_as_it_was_written(store: SqlStore) -> None:
    outputs = {"n": 1, "files": {"$files": [{"name": "ü", "digest": "x", "size": 2}]}}
    tasks = [_task(0), _task(1, TaskState.SUCCEEDED, outputs=outputs, detail="it's", exit_code=0)]
    _fill(store, tasks)
    assert store.transact_now(lambda tx: tx.all_tasks(1)) == tasks
    assert store.transact_now(lambda tx: tx.runs([1])) == [RUN._replace(number=1)]
    assert store.transact_now(lambda tx: tx.definition("d1")) == b"{}"
    (found,) = store.transact_now(lambda tx: tx.outputs([StageRef(1, 1)])).values()
    assert found == {TaskRef(1, 1): outputs}


@pytest.mark.parametrize("change", [{"fence": 7}, {"state": TaskState.RUNNING}])
def test_a_change_computed_from_another_state_is_refused_whole(
    store: SqlStore, change: dict[str, object]
) -> None:
    _fill(store, [_task(0), _task(1)])
    good, stale = _task(0), _task(1)._replace(**change)
    with pytest.raises(StaleError):
        store.transact_now(
            lambda tx: tx.save_tasks(
                [(row, row._replace(state=TaskState.QUEUED, fence=9)) for row in (good, stale)]
            )
        )
    assert store.transact_now(lambda tx: tx.all_tasks(1)) == [_task(0), _task(1)]


def test_a_run_that_somebody_cancelled_is_not_overwritten(store: SqlStore) -> None:
    _fill(store, [])
    (run,) = store.transact_now(lambda tx: tx.runs([1]))
    cancelling = run._replace(state=RunState.CANCELLING)
    store.transact_now(lambda tx: tx.save_runs([(run, cancelling)]))
    with pytest.raises(StaleError):
        store.transact_now(lambda tx: tx.save_runs([(run, run._replace(open=0))]))


def test_all_that_can_change_of_a_stage_is_written(store: SqlStore) -> None:
    number = _fill(store, [])
    changed = StageRow(number, 0, *range(11, 11 + len(StageRow._fields) - 2))
    store.transact_now(lambda tx: tx.save_stages([changed]))
    assert store.transact_now(lambda tx: tx.stages([changed.ref])) == [changed]


def test_a_batch_is_as_many_statements_as_a_row(store: SqlStore) -> None:
    _fill(store, [_task(i) for i in range(500)])
    counts = []
    for size in (1, 500):
        seen: list[str] = []
        raw = store._connection.connection.dbapi_connection  # noqa: SLF001 - counts below SQLAlchemy
        assert isinstance(raw, sqlite3.Connection)
        raw.set_trace_callback(seen.append)
        rows = [_task(i, fence=size > 1 and i == 0) for i in range(size)]
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


def test_ready_tasks_come_by_priority_then_place_and_never_of_a_full_stage(
    store: SqlStore,
) -> None:
    tasks = [_task(0), _task(1), _task(2, priority=0), _task(3, run_at=99.0), _task(4)]
    _fill(store, [*tasks, _task(5, TaskState.BLOCKED)])

    def keys(**limits: object) -> list[str]:
        rows = store.transact_now(lambda tx: tx.ready(10.0, 10, **limits))  # type: ignore[arg-type]
        return [row.key for row in rows]

    assert keys() == ["t2", "t0", "t1", "t4"]
    assert keys(full=[StageRef(1, 0)]) == ["t1"]
    assert keys(full_runs=[1]) == []
    rows = store.transact_now(lambda tx: tx.ready(10.0, 2))
    assert [row.key for row in rows] == ["t2", "t0"]


def test_a_lease_is_renewed_only_for_the_fence_that_holds_it(store: SqlStore) -> None:
    _fill(store, [_task(0, TaskState.RUNNING, fence=2), _task(1, TaskState.RUNNING, fence=2)])
    store.transact_now(lambda tx: tx.renew([(TaskRef(1, 0), 2), (TaskRef(1, 1), 1)], 50.0))
    assert [t.run_at for t in store.transact_now(lambda tx: tx.all_tasks(1))] == [50.0, 5.0]
    assert [t.key for t in store.transact_now(lambda tx: tx.due(10.0))] == ["t1"]
    assert store.transact_now(lambda tx: tx.next_due(10.0)) == 50.0


def test_an_attempt_said_twice_is_one_row_that_keeps_its_worker(
    store: SqlStore, engine: Engine
) -> None:
    _fill(store, [_task(0)])
    first = AttemptRow(1, 0, 1, 1, "w1", 1.0)
    store.transact_now(lambda tx: tx.save_attempts([first]))
    ended = first._replace(worker="", ended_at=2.0, outcome="exited", exit_code=0)
    store.transact_now(lambda tx: tx.save_attempts([ended]))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT worker, outcome FROM attempt").fetchall()
    assert rows == [("w1", "exited")]


def test_the_hot_statements_use_their_indexes(engine: Engine) -> None:
    statements = Statements(engine.dialect)
    hot = {
        "ready": statements.ready[False],
        "active": statements.active,
        "due": statements.due,
        "tasks": statements.tasks,
        "save_tasks": statements.save_tasks,
        "child": statements.child,
    }
    values = {"run": 1, "now": 1.0, "limit": 4, "rows": "[]", "key": "a"}
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
    assert "SKIP LOCKED" in str(statements.ready[True].compile(dialect=postgresql.dialect()))


def test_the_migrations_make_what_the_tables_say(engine: Engine) -> None:
    assert tables.Task.__tablename__ == "task"
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar() == HEAD


def test_a_failed_transaction_leaves_nothing(store: SqlStore) -> None:
    _fill(store, [])

    def work(tx: object) -> None:
        tx.new_run(RUN)  # type: ignore[attr-defined]
        raise KeyError("no")

    with pytest.raises(KeyError):
        store.transact_now(work)
    assert store.transact_now(lambda tx: tx.runs([1, 2])) == [RUN._replace(number=1)]


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
    number = await store.transact(lambda tx: tx.new_run(RUN))
    assert await store.transact(lambda tx: tx.runs([number])) == [RUN._replace(number=number)]
    await store.sync()
    await store.close()


@pytest.mark.usefixtures("engine")
def test_nothing_is_written_through_a_reading_connection(tmp_path: Path) -> None:
    reading = open_sqlite_readonly(tmp_path / "state" / "tidemill.db")
    with reading.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM run")
