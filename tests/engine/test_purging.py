"""What is old goes, bit by bit, and takes along what nobody else needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidelang import codec
from tidemill.compile import compile_file
from tidemill.engine.purging import EVERY, YOUNG, Keep, Purge, Purged
from tidemill.model.rows import PipelineRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction, UnavailableError
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock
from tidemill.testing.purging import OF_RUNS, ended, failed, make
from tidemill.testing.store_rows import RUN

START = 1_000_000.0
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(open_sqlite(tmp_path / "t.db"))
    yield store
    store._engine.dispose()  # noqa: SLF001


def left(store: SqlStore) -> list[int]:
    return [row.number for row in store.transact_now(lambda tx: tx.runs(range(1, 100)))]


def purge(store: SqlStore, keep: Keep, **more: Any) -> Purged:
    clock = VirtualClock(START)

    async def run() -> Purged:
        work = asyncio.ensure_future(Purge(store, clock, keep, **more).once())
        await clock.run_until(work.done)
        return work.result()

    return asyncio.run(run())


def test_what_is_older_than_it_may_be_goes(store: SqlStore) -> None:
    make(store, *(ended(START - days * DAY) for days in (91, 89, 90.01, 1)))
    purge(store, Keep(age=90 * DAY))
    assert left(store) == [2, 4]


def test_what_is_one_too_many_goes_of_each_pipeline(store: SqlStore) -> None:
    many = [ended(START - 1000 + i, pipeline=name) for i in range(5) for name in "pq"]
    make(store, *many, {}, {})
    purge(store, Keep(runs=2))
    assert left(store) == [7, 8, 9, 10, 11, 12]


def test_either_limit_suffices(store: SqlStore) -> None:
    make(store, *(ended(START - days * DAY) for days in (9, 8, 2, 1)))
    purge(store, Keep(age=5 * DAY, runs=3))
    assert left(store) == [3, 4]
    purge(store, Keep(age=5 * DAY, runs=1))
    assert left(store) == [4]


def test_a_chain_of_retries_goes_as_a_whole_or_not_at_all(store: SqlStore) -> None:
    old, young = START - 9 * DAY, START - DAY
    chain = [failed(old), failed(old + 1, retry_of=1), failed(old + 2, retry_of=2)]
    kept = [failed(old), failed(young, retry_of=4)]
    make(store, *chain, *kept, ended(young + 1))
    assert store.transact_now(lambda tx: tx.expendable("p", START - 5 * DAY)) == (3, 6)
    purge(store, Keep(age=5 * DAY))
    assert left(store) == [4, 5, 6]


def test_what_has_just_ended_stays_for_late_news_of_it(store: SqlStore) -> None:
    make(store, ended(START - YOUNG - 2), ended(START - YOUNG + 1), ended(START))
    purge(store, Keep(runs=1))
    assert left(store) == [2, 3]
    purge(store, Keep(runs=1), young=0.0)
    assert left(store) == [3]


def test_files_of_runs_are_forgotten_before_their_rows(store: SqlStore) -> None:
    make(store, *(ended(at) for at in (1.0, 2.0, 3.0)))
    seen: list[tuple[list[int], list[int]]] = []

    def forget(runs: Iterable[int]) -> None:
        seen.append((list(runs), left_of(store)))

    purge(store, Keep(runs=1), forget=forget, rows=5)
    assert all(set(runs) <= set(there) for runs, there in seen)
    assert {number for runs, _ in seen for number in runs} == {1, 2}


def left_of(store: SqlStore) -> list[int]:
    """Within a transaction under way."""
    return list(store._connected().exec_driver_sql("SELECT number FROM run").scalars())  # noqa: SLF001


def test_what_one_who_died_has_left_goes_first(store: SqlStore) -> None:
    make(store, ended(1.0), ended(2.0))
    store.transact_now(lambda tx: tx.condemn("p", 1.5, 9))
    store.transact_now(lambda tx: tx.remove([1], 3))
    purge(store, Keep())
    assert left(store) == [2]
    with store._engine.connect() as connection:  # noqa: SLF001
        for table in OF_RUNS:
            column = "number" if table == "run" else "run"
            found = connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {column} = 1")
            assert found.scalar_one() == 0, table


def test_no_transaction_removes_more_than_it_may(store: SqlStore) -> None:
    make(store, *(ended(float(at)) for at in range(1, 60)))
    sizes: list[int] = []

    def count() -> int:
        tables = ("task", "attempt", "outbox")
        return sum(
            store._connected().exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()  # noqa: SLF001
            for table in tables
        )

    honest = store.transact_now

    def watched(work: Callable[[Transaction], Any]) -> Any:
        def both(tx: Transaction) -> Any:
            before = count()
            done = work(tx)
            sizes.append(before - count())
            return done

        return honest(both)

    store.transact_now = watched  # type: ignore[method-assign]
    assert purge(store, Keep(runs=1), rows=20).runs == 58
    assert max(sizes) <= 20
    assert sum(sizes) == 58 * 8


def test_definitions_go_with_their_last_run_unless_another_calls_them(
    store: SqlStore, tmp_path: Path
) -> None:
    (tmp_path / "p.tide").write_text("""
      pipeline inner { step a { run = "true" } }
      pipeline middle { step b = pipeline inner() }
      pipeline outer { step c = pipeline middle() }
      pipeline other { step d { run = "true" } }
    """)
    compilation = compile_file(tmp_path / "p.tide")
    assert compilation.ok, compilation.diagnostics
    by_name = {one.name: one for one in compilation.definitions}
    digest = {name: codec.digest(one) for name, one in by_name.items()}

    def work(tx: Transaction) -> None:
        for name, one in by_name.items():
            tx.add_definition(digest[name], name, codec.encode(one), 1.0)
        tx.save_pipeline(PipelineRow("outer", digest["outer"], "p.tide", 1.0, "anna"))
        for at in (1.0, 2.0):
            run = RUN._replace(digest=digest["other"], pipeline="other")
            run = run._replace(number=tx.new_runs([run])[0])
            end = run._replace(state=RunState.FAILED, ended_at=at)
            tx.save_runs([(run, end)])

    store.transact_now(work)
    assert purge(store, Keep(runs=1)).definitions == 0
    last = "INSERT INTO condemned SELECT number FROM run"
    with store._engine.begin() as connection:  # noqa: SLF001
        connection.exec_driver_sql(last)
    assert purge(store, Keep(runs=1)).definitions == 1
    kept = store.transact_now(lambda tx: [*tx.used_definitions(), *tx.idle_definitions()])
    assert set(kept) == {digest["inner"], digest["middle"], digest["outer"]}


def test_no_definition_goes_where_one_cannot_be_read(store: SqlStore) -> None:
    make(store, *(ended(at) for at in (1.0, 2.0)))
    store.transact_now(lambda tx: tx.add_definition("d2", "p", b"{}", 1.0))
    assert purge(store, Keep(runs=1)).definitions == 0
    assert store.transact_now(lambda tx: tx.idle_definitions()) == ["d2"]


async def test_it_goes_on_for_ever_and_gets_over_a_database_that_is_away(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(START)
    make(store, ended(1.0), ended(2.0))
    away = [True]
    honest = store.transact

    async def transact(work: Callable[[Transaction], Any]) -> Any:
        if away:
            raise UnavailableError("it is away")
        return await honest(work)

    monkeypatch.setattr(store, "transact", transact)
    work = asyncio.ensure_future(Purge(store, clock, Keep(runs=1)).forever())
    await clock.advance(10)
    assert left(store) == [1, 2]
    away.clear()
    await clock.advance(EVERY)
    assert left(store) == [2]
    make(store, ended(3.0))
    await clock.advance(EVERY)
    assert left(store) == [3]
    work.cancel()
