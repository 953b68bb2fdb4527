"""The store on a real PostgreSQL: the suite that SQLite passes, several schedulers at once,
and a server that goes away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres import Postgres
from sqlalchemy import create_engine, event
from sqlmodel import SQLModel

from tidemill.errors import TidemillError, UsageError
from tidemill.model.rows import Queue, TaskRef, TaskRow
from tidemill.model.states import TaskState
from tidemill.ports import Transaction, UnavailableError
from tidemill.store.database import open_postgres, upgrade_postgres
from tidemill.store.migrations import HEAD
from tidemill.store.sql import SqlStore
from tidemill.store.transaction import SqlTransaction
from tidemill.testing.purging import condemn, ended, failed, make
from tidemill.testing.store import RUN, DirectStore, StoreConformance, fill, task


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def stores(url: str) -> Iterator[Callable[[], SqlStore]]:
    """Stores on one database, as several schedulers have them."""
    made: list[SqlStore] = []

    def make() -> SqlStore:
        made.append(SqlStore(open_postgres(url)))
        return made[-1]

    yield make
    for store in made:
        store._engine.dispose()  # noqa: SLF001


@pytest.fixture
def store(stores: Callable[[], SqlStore]) -> SqlStore:
    return stores()


class TestPostgresStore(StoreConformance):
    @pytest.fixture
    def store(self, stores: Callable[[], SqlStore]) -> SqlStore:
        return stores()

    def attempts(self, store: DirectStore) -> list[tuple[Any, ...]]:
        assert isinstance(store, SqlStore)
        with store._engine.connect() as connection:  # noqa: SLF001
            rows = connection.exec_driver_sql("SELECT worker, outcome, peak_memory FROM attempt")
            return [tuple(row) for row in rows]

    def count(self, store: DirectStore, table: str) -> int:
        assert isinstance(store, SqlStore)
        with store._engine.connect() as connection:  # noqa: SLF001
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


class Held:
    """A transaction that another scheduler has under way until it is let go."""

    def __init__(self, store: SqlStore, work: Callable[[Transaction], Any]) -> None:
        self._done, self._go = threading.Event(), threading.Event()
        self.found: Any = None

        def hold(tx: Transaction) -> None:
            self.found = work(tx)
            self._done.set()
            assert self._go.wait(20)

        self._thread = threading.Thread(target=store.transact_now, args=(hold,))
        self._thread.start()
        assert self._done.wait(20)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join()


def _ready(store: SqlStore, limit: int = 9) -> list[TaskRef]:
    rows = store.transact_now(lambda tx: tx.ready(10.0, {Queue("default", 0): limit}))
    return [row.ref for row in rows]


def test_two_schedulers_never_take_tasks_of_one_family(stores: Callable[[], SqlStore]) -> None:
    one, other = stores(), stores()
    fill(one, [task(0), task(1)])
    fill(one, [], root=1, parent=1, parent_task=0)
    fill(one, [])

    def below(tx: Transaction) -> None:
        tx.insert([], [task(0)._replace(run=2), task(0)._replace(run=3)])

    one.transact_now(below)
    held = Held(one, lambda tx: [t.ref for t in tx.ready(10.0, {Queue("default", 0): 1})])
    assert held.found == [TaskRef(1, 0)]
    assert _ready(other) == [TaskRef(3, 0)], "its sister and what is below it are in hand"
    held.let_go()
    assert len(_ready(other)) == 4


def test_who_was_told_of_a_run_waits_for_it(stores: Callable[[], SqlStore]) -> None:
    one, other = stores(), stores()
    fill(one, [task(0)])
    fill(one, [], root=1, parent=1, parent_task=0)
    held = Held(one, lambda tx: tx.take([1]))
    waiting = Held.__new__(Held)
    started = threading.Thread(target=Held.__init__, args=(waiting, other, lambda tx: tx.take([2])))
    started.start()
    started.join(0.3)
    assert started.is_alive(), "the run below is of the family that is in hand"
    held.let_go()
    started.join(20)
    waiting.let_go()


def test_a_turn_is_idle_to_the_server_while_it_works_things_out(
    stores: Callable[[], SqlStore],
) -> None:
    """Only then does the server end it when its client is stopped or cut off, and with it
    the locks that all others wait for."""
    one, other = stores(), stores()
    fill(one, [task(0)])
    states: list[Any] = []

    def state_of(tx: Transaction) -> None:
        assert isinstance(tx, SqlTransaction)
        driver: Any = tx._connection.connection.dbapi_connection  # noqa: SLF001
        with other._engine.connect() as connection:  # noqa: SLF001
            asked = f"SELECT state FROM pg_stat_activity WHERE pid = {driver.info.backend_pid}"
            states.append(connection.exec_driver_sql(asked).scalar_one())

    def turn(tx: Transaction) -> None:
        hand = tx.take([1], [TaskRef(1, 0)])
        state_of(tx)
        with tx.together():
            (row,) = hand.tasks
            tx.save_tasks([(row, row._replace(state=TaskState.QUEUED, fence=1))])
            state_of(tx)
            tx.save_runs([(hand.heads[0], hand.heads[0])])
            state_of(tx)

    one.transact_now(turn)
    assert states == ["idle in transaction"] * 3
    assert [row.state for row in other.transact_now(lambda tx: tx.all_tasks(1))] == ["queued"]


def test_what_another_has_just_taken_is_not_taken_again(stores: Callable[[], SqlStore]) -> None:
    """While somebody waits for nothing, he must not act on what he saw before."""
    one, other = stores(), stores()
    fill(one, [task(i) for i in range(200)])
    barrier, taken = threading.Barrier(2), []

    def take(store: SqlStore) -> None:
        barrier.wait()
        for _ in range(200):

            def work(tx: Transaction) -> list[TaskRow]:
                rows = tx.ready(10.0, {Queue("default", 0): 3})
                after = [r._replace(state=TaskState.QUEUED, fence=r.fence + 1) for r in rows]
                tx.save_tasks(list(zip(rows, after, strict=True)))
                return rows

            taken.extend(row.ordinal for row in store.transact_now(work))

    threads = [threading.Thread(target=take, args=(store,)) for store in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(200))


def test_a_lease_is_renewed_without_waiting_for_who_has_the_task(
    stores: Callable[[], SqlStore],
) -> None:
    one, other = stores(), stores()
    running = [task(i, TaskState.RUNNING, fence=1, worker="w") for i in range(2)]
    fill(one, running)
    held = Held(one, lambda tx: tx.save_tasks([(running[0], running[0]._replace(run_at=60.0))]))
    leases = [(TaskRef(1, i), 1, "w") for i in range(2)]
    other.transact_now(lambda tx: tx.renew(leases, 50.0))
    held.let_go()
    assert [t.run_at for t in one.transact_now(lambda tx: tx.all_tasks(1))] == [60.0, 50.0]


def test_two_schedulers_never_fire_one_schedule(stores: Callable[[], SqlStore]) -> None:
    from tidemill.model.rows import PipelineRow, ScheduleRow

    one, other = stores(), stores()

    def work(tx: Transaction) -> None:
        tx.add_definition("d1", "p", b"{}", 1.0)
        tx.save_pipeline(PipelineRow("p", "d1", "p.tide", 1.0, "anna"))
        for identity in "ab":
            tx.add_schedule(ScheduleRow(0, "p", identity, {}, 5.0, 5.0))

    one.transact_now(work)
    held = Held(one, lambda tx: [s.identity for s in tx.due_schedules(9.0, 1)])
    assert held.found == ["a"]
    due = other.transact_now(lambda tx: [s.identity for s in tx.due_schedules(9.0, 9)])
    held.let_go()
    assert due == ["b"]


def test_a_deadlock_costs_another_try_and_no_change(stores: Callable[[], SqlStore]) -> None:
    one, other = stores(), stores()
    fill(one, [])
    fill(one, [])
    barrier = threading.Barrier(2)
    tries: list[int] = []

    def cross(store: SqlStore, order: list[int]) -> None:
        def work(tx: Transaction) -> None:
            tries.append(1)
            tx.take(order[:1])
            if len(tries) <= 2:
                barrier.wait()
            tx.take(order[1:])

        store.transact_now(work)

    threads = [
        threading.Thread(target=cross, args=(store, order))
        for store, order in ((one, [1, 2]), (other, [2, 1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(tries) >= 3


def test_what_was_prepared_is_not_relied_on_after_a_rollback(store: SqlStore) -> None:
    """psycopg has the server forget everything then, once it has prepared something."""
    fill(store, [task(0)])

    def work(tx: Transaction) -> int:
        return len(tx.runs([1])) + len(tx.take([1], tasks=[TaskRef(1, 0)]).tasks)

    def broken(tx: Transaction) -> int:
        return work(tx) // 0

    for _ in range(10):  # psycopg prepares what comes again and again
        store.transact_now(work)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            store.transact_now(broken)
        assert store.transact_now(work) == 2


@pytest.mark.parametrize("analyzed", [True, False])
def test_the_hot_statements_go_along_their_indexes(store: SqlStore, analyzed: bool) -> None:
    """Not by bitmaps, which read what is dead in an index each time anew."""
    fill(store, [task(i, TaskState.SUCCEEDED) for i in range(3000)])
    with store._engine.connect() as connection:  # noqa: SLF001
        if analyzed:
            connection.exec_driver_sql("ANALYZE")
        for name, index in (("due", "task_timer"), ("next_timer", "task_timer"),
                            ("active", "task_active"), ("limited", "task_limited"),
                            ("next_ready", "task_later")):  # fmt: skip
            text = str(
                getattr(store._statements, name).compile(  # noqa: SLF001
                    dialect=connection.dialect, compile_kwargs={"literal_binds": False}
                )
            )
            text = text.replace("%(now)s::FLOAT", "1.0").replace("%(now)s", "1.0")
            text = text.replace("%(param_1)s::INTEGER", "1").replace("%(param_1)s", "1")
            plan = connection.exec_driver_sql(f"EXPLAIN {text}").scalars().all()
            assert any(index in line for line in plan), (name, plan)
            assert not any("Bitmap" in line for line in plan), (name, plan)


def test_the_migrations_make_what_the_tables_say(url: str) -> None:
    with open_postgres(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_the_schema_is_made_once_however_many_ask_for_it(postgres: Postgres) -> None:
    url = postgres.database(empty=True)
    with pytest.raises(TidemillError, match="no tables") as caught:
        open_postgres(url)
    assert "db upgrade" in caught.value.hint
    before: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: before.append(upgrade_postgres(url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before, key=str) == [HEAD, HEAD, HEAD, None]
    open_postgres(url).dispose()


def test_a_newer_schema_is_refused_in_words(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for open_ in (open_postgres, upgrade_postgres):
        with pytest.raises(TidemillError, match="9999"):
            open_(url)


@pytest.mark.parametrize("url", ["sqlite:///x", "nonsense", "mysql://h/d", "postgresql+nope://h/d"])
def test_what_is_no_url_of_postgresql_is_said_to_be_none(url: str) -> None:
    with pytest.raises(UsageError):
        open_postgres(url)


def test_a_server_that_is_not_there_is_said_so_without_the_password() -> None:
    with pytest.raises(UnavailableError) as caught:
        open_postgres("postgresql://anna:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_of_the_server_loses_nothing_and_is_got_over(
    own_postgres: Postgres, number: signal.Signals
) -> None:
    store = SqlStore(open_postgres(own_postgres.database()))
    fill(store, [task(0)])
    own_postgres.end(number)
    with pytest.raises(UnavailableError):
        store.transact_now(lambda tx: tx.all_tasks(1))
    with pytest.raises(UnavailableError):
        store.transact_now(lambda tx: tx.all_tasks(1))
    own_postgres.start()
    assert store.transact_now(lambda tx: tx.all_tasks(1)) == [task(0)]
    assert store.transact_now(lambda tx: tx.runs([1])) == [RUN._replace(number=1)]


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(store: SqlStore, url: str) -> None:
    fill(store, [task(0)])

    def work(tx: Transaction) -> None:
        tx.save_tasks([(task(0), task(0, TaskState.QUEUED))])
        with open_postgres(url).connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        tx.all_tasks(1)

    with pytest.raises(UnavailableError):
        store.transact_now(work)
    assert store.transact_now(lambda tx: tx.all_tasks(1)) == [task(0)]


def test_who_stands_still_in_a_transaction_holds_its_locks_no_longer_than_allowed(
    store: SqlStore,
) -> None:
    with store._engine.connect() as connection:  # noqa: SLF001
        shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert shown == "15s"


def test_nothing_is_written_through_a_reading_connection(url: str) -> None:
    with (
        open_postgres(url, readonly=True).connect() as connection,
        pytest.raises(Exception, match="read-only"),
    ):
        connection.exec_driver_sql("DELETE FROM run")


def test_a_family_that_somebody_has_in_hand_is_not_purged(stores: Callable[[], SqlStore]) -> None:
    one, other = stores(), stores()
    child = {"root": 1, "parent": 1, "parent_task": 0}
    make(one, ended(5.0), ended(5.0, **child), ended(6.0), ended(7.0))
    held = Held(one, lambda tx: tx.take([2]))
    assert condemn(other) == [3]
    held.let_go()
    assert condemn(other) == [1, 2, 3]
    held = Held(one, lambda tx: tx.take([2]))
    assert other.transact_now(lambda tx: tx.condemned(9)) == [3]
    held.let_go()


def test_who_retries_a_run_that_is_being_purged_waits_and_is_told(
    stores: Callable[[], SqlStore],
) -> None:
    one, other = stores(), stores()
    make(one, failed(5.0), ended(6.0))
    held = Held(one, lambda tx: tx.condemn("p", 100.0, 9))
    seen: list[bool] = []

    def retry(tx: Transaction) -> None:
        tx.take([1])
        seen.append(tx.is_condemned(1))

    waiting = threading.Thread(target=other.transact_now, args=(retry,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    held.let_go()
    waiting.join(20)
    assert seen == [True]


def test_a_run_that_is_retried_while_it_is_looked_at_is_not_condemned(
    stores: Callable[[], SqlStore],
) -> None:
    one, other = stores(), stores()
    make(one, failed(5.0), ended(6.0))

    def retry(tx: Transaction) -> None:
        tx.take([1])
        tx.new_runs([RUN._replace(retry_of=1)])[0]

    held = Held(one, retry)
    assert condemn(other) == []
    held.let_go()
    assert condemn(other) == []


def test_a_definition_that_is_being_used_is_not_dropped(stores: Callable[[], SqlStore]) -> None:
    one, other = stores(), stores()
    for digest in ("d1", "d2"):
        one.transact_now(lambda tx, name=digest: tx.add_definition(name, "p", b"{}", 1.0))  # type: ignore[misc]
    held = Held(one, lambda tx: tx.add_definition("d1", "p", b"{}", 1.0))
    assert other.transact_now(lambda tx: tx.idle_definitions()) == ["d2"]
    held.let_go()


def test_purging_looks_at_no_more_than_it_removes(store: SqlStore) -> None:
    make(store, *(ended(float(at)) for at in range(2000)))
    with store._engine.connect() as connection:  # noqa: SLF001
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
        seen: list[str] = []

        def explain(_connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
            if statement.lstrip().startswith(("SELECT", "DELETE", "INSERT")):
                cursor.execute(f"EXPLAIN {statement}", values)
                seen.append("\n".join(row[0] for row in cursor.fetchall()))

        event.listen(connection, "before_cursor_execute", explain)
        with connection.begin():
            tx = SqlTransaction(connection, store._statements)  # noqa: SLF001
            tx.pipelines_that_ran()
            tx.ended_before_the_last("p", 50)
            assert tx.condemn("p", 100.0, 9) == 9
            tx.remove(tx.condemned(9), 20)
    large = ("run", "task", "attempt", "outbox")
    scans = [plan for plan in seen for table in large if f"Seq Scan on {table} " in plan]
    assert len(seen) >= 8
    assert scans == []
