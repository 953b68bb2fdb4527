"""A real PostgreSQL with trouble of every kind: nothing is half done, what passes is told from
what does not, and the next transaction after it goes well."""

from __future__ import annotations

import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from cut_connection import Wire
from postgres import Postgres
from small_disk import fill as fill_disk
from small_disk import free, small_disk

from tidemill.errors import TidemillError
from tidemill.model.states import TaskState
from tidemill.ports import Transaction, UnavailableError
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore
from tidemill.testing.store import RUN, fill, task


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(open_postgres(url))
    yield store
    store._engine.dispose()  # noqa: SLF001


def sql(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _large(tx: Transaction) -> None:
    """More than a small disk holds."""
    tx.save_tasks([(task(0), task(0, TaskState.QUEUED))])
    rows = [task(i, detail=secrets.token_hex(1000)) for i in range(1, 10_000)]
    tx.insert([], rows)


def test_a_full_disk_passes_and_leaves_nothing_half_done(own_postgres: Postgres) -> None:
    small = own_postgres.folder / "small"
    with small_disk(small, "16m"):
        own_postgres.own(small)
        store = SqlStore(open_postgres(own_postgres.database(tablespace=small)))
        fill(store, [task(0)])
        for _ in range(2):  # also on the same connection
            with pytest.raises(UnavailableError, match=r"tide@/t\d+: the disk is full"):
                store.transact_now(_large)
        assert store.transact_now(lambda tx: tx.all_tasks(1)) == [task(0)]
        fill_disk(small)
        with pytest.raises(UnavailableError, match="the disk is full"):
            store.transact_now(_large)
        free(small)
        store.transact_now(lambda tx: tx.save_tasks([(task(0), task(0, TaskState.QUEUED))]))
        own_postgres.end()


def test_a_log_without_room_fells_the_server_and_loses_nothing(own_postgres: Postgres) -> None:
    small = own_postgres.folder / "small"
    store = SqlStore(open_postgres(own_postgres.database()))
    fill(store, [task(0)])
    with small_disk(small, "96m"):
        own_postgres.move_log(small)
        fill_disk(small)
        with pytest.raises(UnavailableError):  # the first finds the server restarted
            store.transact_now(lambda tx: tx.all_tasks(1))
        for _ in range(2):
            with pytest.raises(UnavailableError):
                store.transact_now(lambda tx: _and_much_log(tx, store))
        free(small)
        own_postgres.recover()
        assert store.transact_now(lambda tx: tx.all_tasks(1)) == [task(0)]
        own_postgres.end(signal.SIGQUIT)


def _and_much_log(tx: Transaction, store: SqlStore) -> None:
    tx.save_tasks([(task(0), task(0, TaskState.QUEUED))])
    connection = store._connected()  # noqa: SLF001
    connection.exec_driver_sql(
        "SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000)) FROM"
        " generate_series(1, 100)"
    )


@pytest.mark.parametrize(("cut", "stored"), [("before", False), ("after", True)])
def test_a_connection_that_breaks_at_the_commit_leaves_all_or_nothing_and_says_it_is_unknown(
    postgres: Postgres, url: str, cut: str, stored: bool
) -> None:
    fill(SqlStore(open_postgres(url)), [task(0)])
    cuts: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        wire = Wire(Path(folder), postgres.folder, lambda: cuts.pop() if cuts else "")
        store = SqlStore(open_postgres(url.replace(str(postgres.folder), folder)))

        cuts.append(cut)

        def work(tx: Transaction) -> None:
            tx.save_tasks([(task(0), task(0, TaskState.QUEUED))])
            tx.new_runs([RUN])

        with pytest.raises(UnavailableError, match="moment of committing") as caught:
            store.transact_now(work)
        assert "look before you ask again" in caught.value.hint
        tasks = store.transact_now(lambda tx: tx.all_tasks(1))
        runs = store.transact_now(lambda tx: tx.runs([1, 2]))
        wire.close()
    assert tasks[0].state is (TaskState.QUEUED if stored else TaskState.READY)
    assert len(runs) == 1 + stored


def test_a_serialization_failure_is_tried_again_and_every_change_counts_once(
    postgres: Postgres,
) -> None:
    url = postgres.database()
    sql(
        postgres.url(),
        f"ALTER DATABASE {postgres.name(url)} SET default_transaction_isolation = serializable",
    )
    stores = [SqlStore(open_postgres(url)) for _ in range(2)]
    fill(stores[0], [task(0)])
    barrier, tries = threading.Barrier(2), []

    def count(store: SqlStore) -> None:
        def work(tx: Transaction) -> None:
            tries.append(1)
            (before,) = tx.all_tasks(1)
            if len(tries) <= 2:
                barrier.wait(20)
            tx.save_tasks([(before, before._replace(fence=before.fence + 1))])

        store.transact_now(work)

    threads = [threading.Thread(target=count, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(tries) >= 3
    assert stores[0].transact_now(lambda tx: tx.all_tasks(1)) == [task(0, fence=2)]
    for store in stores:
        store._engine.dispose()  # noqa: SLF001


def _on_another(url: str, statement: str) -> Callable[[], None]:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    return lambda: sql(url, f"SELECT {statement} FROM pg_stat_activity WHERE {others}")


def test_a_statement_that_somebody_broke_off_passes(store: SqlStore, url: str) -> None:
    fill(store, [])
    cancel = _on_another(url, "pg_cancel_backend(pid)")

    def work(tx: Transaction) -> None:
        tx.new_runs([RUN])
        threading.Timer(0.2, cancel).start()
        store._connected().exec_driver_sql("SELECT pg_sleep(20)")  # noqa: SLF001

    with pytest.raises(UnavailableError, match="broken off: canceling statement"):
        store.transact_now(work)
    assert len(store.transact_now(lambda tx: tx.runs([1, 2]))) == 1


def test_who_stood_still_in_a_transaction_finds_it_undone_and_goes_on(
    store: SqlStore,
) -> None:
    fill(store, [])

    def work(tx: Transaction) -> None:
        tx.new_runs([RUN])
        connection = store._connected()  # noqa: SLF001
        connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 50")
        threading.Event().wait(0.4)
        tx.new_runs([RUN])

    with pytest.raises(UnavailableError, match="cannot be reached"):
        store.transact_now(work)
    assert len(store.transact_now(lambda tx: tx.runs([1, 2, 3]))) == 1


def test_a_server_that_may_only_be_read_is_waited_for_as_after_a_fail_over(
    store: SqlStore,
) -> None:
    fill(store, [])
    store._connected().exec_driver_sql(  # noqa: SLF001
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    )
    store._connected().commit()  # noqa: SLF001
    with pytest.raises(UnavailableError, match="may only be read") as caught:
        store.transact_now(lambda tx: tx.new_runs([RUN])[0])
    assert "primary" in caught.value.hint


def test_too_many_connections_pass(own_postgres: Postgres) -> None:
    url = own_postgres.database()
    held = []
    with suppress(psycopg.OperationalError):
        while True:
            held.append(psycopg.connect(url))
    with pytest.raises(UnavailableError, match=r"too many|remaining"):
        open_postgres(url)
    held.pop().close()
    for _ in range(200):  # the server takes a moment to notice
        with suppress(UnavailableError):
            open_postgres(url).dispose()
            return
        time.sleep(0.05)
    raise AssertionError("there is room again, and nobody gets in")


def test_what_does_not_pass_is_told_from_what_does(store: SqlStore) -> None:
    fill(store, [])

    def work(_: Transaction) -> None:
        store._connected().exec_driver_sql("SELECT * FROM gone")  # noqa: SLF001

    with pytest.raises(TidemillError, match="gone") as caught:
        store.transact_now(work)
    assert not isinstance(caught.value, UnavailableError)
