"""Events are told in the order of their numbers, though PostgreSQL commits them in another,
and none is left out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from postgres import Postgres

from tidemill.engine.observing import Settling
from tidemill.model.rows import EventRow
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore
from tidemill.testing.observers import events, record
from tidemill.testing.store_rows import fill, task


@pytest.fixture
def stores(postgres: Postgres) -> Iterator[Callable[[], SqlStore]]:
    url = postgres.database()
    made: list[SqlStore] = []

    def make() -> SqlStore:
        made.append(SqlStore(open_postgres(url)))
        return made[-1]

    yield make
    for store in made:
        store._engine.dispose()  # noqa: SLF001


class UnderWay:
    """A transaction that has written and not committed; `end` commits it, or takes it back."""

    def __init__(self, store: SqlStore, work: Callable[[Transaction], Any]) -> None:
        self._written, self._go, self._commits = threading.Event(), threading.Event(), True

        def write() -> None:
            with contextlib.suppress(ZeroDivisionError):
                store.transact_now(hold)

        def hold(tx: Transaction) -> None:
            work(tx)
            self._written.set()
            assert self._go.wait(30)
            if not self._commits:
                raise ZeroDivisionError

        self._thread = threading.Thread(target=write)
        self._thread.start()
        assert self._written.wait(30)

    def end(self, *, commits: bool = True) -> None:
        self._commits = commits
        self._go.set()
        self._thread.join()


def recording(run: int, state: str) -> Callable[[Transaction], None]:
    """As every turn does: first what has changed, then that it has."""

    def work(tx: Transaction) -> None:
        tx.take([run])
        tx.record([EventRow(5.0, "task", run, 0, {"state": state})])

    return work


def settled(store: SqlStore, settling: Settling) -> list[str]:
    """What may be told, after as many looks as would do on a quiet database."""
    for _ in range(3):
        settling.seen(store.transact_now(lambda tx: tx.look()))
    return [event.state for event in events(store, 0, settling.upto)]


@pytest.mark.parametrize("commits", [True, False])
def test_nothing_is_told_before_what_has_an_earlier_number(
    stores: Callable[[], SqlStore], commits: bool
) -> None:
    slow, quick, watcher = stores(), stores(), stores()
    for _ in range(2):
        fill(quick, [])
    quick.transact_now(lambda tx: tx.insert([], [task(0), task(0)._replace(run=2)]))
    settling = Settling()
    under_way = UnderWay(slow, recording(1, "first"))
    quick.transact_now(recording(2, "second"))
    assert [event.state for event in events(watcher)] == ["second"], "it is there to be seen"
    assert settled(watcher, settling) == []
    under_way.end(commits=commits)
    assert settled(watcher, settling) == ["first", "second"][not commits :]


def test_who_goes_on_and_on_is_told_what_is_settled_meanwhile(
    stores: Callable[[], SqlStore],
) -> None:
    """There is always a transaction under way, and never an old one."""
    watcher, one, other = stores(), stores(), stores()
    for _ in range(2):
        fill(one, [])
    one.transact_now(lambda tx: tx.insert([], [task(0), task(0)._replace(run=2)]))
    settling, told = Settling(), []
    before = UnderWay(one, recording(1, "0"))
    for at in range(1, 7):
        store, run = (one, 1) if at % 2 == 0 else (other, 2)
        after = UnderWay(store, recording(run, str(at)))
        before.end()
        settling.seen(watcher.transact_now(lambda tx: tx.look()))
        told.append(len(events(watcher, 0, settling.upto)))
        before = after
    before.end()
    assert told == sorted(told)
    assert told[-1] >= 3
    assert settled(watcher, settling) == [str(at) for at in range(7)]


def test_an_idle_database_is_settled_at_once(stores: Callable[[], SqlStore]) -> None:
    store = stores()
    fill(store, [task(0)])
    record(store, "a")
    settling = Settling()
    assert settling.seen(store.transact_now(lambda tx: tx.look()))
    assert [event.state for event in events(store, 0, settling.upto)] == ["a"]
