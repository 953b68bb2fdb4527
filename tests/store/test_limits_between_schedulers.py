"""Limits hold where two schedulers offer work of one run at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from postgres import Postgres

from tidelang import codec
from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.dispatch import Dispatch
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.roster import Capacity
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.errors import TidemillError
from tidemill.model.plan import make_plan
from tidemill.model.pools import Pool
from tidemill.model.rows import AtWork
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore

NOW = 10.0
EACH = Step("each", Argv((("lit", "true"),)), loop=Loop(("x",), ("list", (("lit", 1), ("lit", 2)))))
LIMITED_STEP = Definition("p", steps=(replace(EACH, max_parallel=1),))
PLAIN = Definition("p", steps=(EACH,))
LIMITED_RUN = Definition("p", steps=(EACH,), max_parallel=1)


@pytest.fixture
def two(postgres: Postgres) -> Iterator[tuple[SqlStore, SqlStore]]:
    url = postgres.database()
    made = SqlStore(open_postgres(url)), SqlStore(open_postgres(url))
    yield made
    for store in made:
        store._engine.dispose()  # noqa: SLF001


def create(store: SqlStore, definition: Definition) -> None:
    plan = make_plan(definition, {})
    new = NewRun(
        plan, codec.digest(definition), codec.encode(definition), "p.tide",
        frozenset(range(plan.size)), {}, pooled=True,
    )  # fmt: skip
    store.transact_now(lambda tx: create_run(tx, new, NOW))


def offer(tx: Transaction, active: AtWork | None = None, **pools: Pool) -> int:
    """Offers what a turn would; how much it was."""
    ledger, plans = Ledger(NOW, lease=30.0), Plans()
    progress = Progress(ledger, plans, Outputs(), tx, Standing(pools))
    dispatch = Dispatch(
        Children(progress, Booking(ledger, plans.of)),
        {"default": Capacity(10, 10)},
        pooled=True,
        epoch="",
    )
    dispatch.fill(active)
    ledger.flush(tx)
    return len(dispatch.orders)


@pytest.mark.parametrize("definition", [LIMITED_STEP, LIMITED_RUN], ids=["step", "pipeline"])
def test_what_another_offers_after_all_was_counted_counts(
    two: tuple[SqlStore, SqlStore], definition: Definition
) -> None:
    one, other = two
    create(one, definition)
    offered: list[int] = []

    def turn(tx: Transaction) -> int:
        active = tx.take([]).active
        offered.append(other.transact_now(offer))
        return offer(tx, active)

    offered.append(one.transact_now(turn))
    assert offered == [1, 0]


def test_a_pool_has_no_more_slots_for_two_schedulers_than_for_one(
    two: tuple[SqlStore, SqlStore],
) -> None:
    """Runs of two families: no lock of theirs keeps the two apart."""
    one, other = two
    for _ in range(4):
        create(one, PLAIN)
    offered: list[int] = []
    few = {"default": Pool(slots=3)}

    def turn(tx: Transaction) -> int:
        active = tx.take([]).active
        offered.append(other.transact_now(lambda inner: offer(inner, **few)))
        return offer(tx, active, **few)

    offered.append(one.transact_now(turn))
    assert offered == [3, 0]


def test_what_one_scheduler_locks_another_waits_for(two: tuple[SqlStore, SqlStore]) -> None:
    one, other = two

    def short(tx: Transaction) -> None:
        tx._connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")  # type: ignore[attr-defined]  # noqa: SLF001
        tx.lock("pool", ["a"])

    def turn(tx: Transaction) -> None:
        tx.lock("pool", ["a", "b"])
        tx.lock("concurrency", ["c"])
        with pytest.raises(TidemillError):
            other.transact_now(short)

    one.transact_now(turn)
    other.transact_now(short)


def test_names_are_locked_in_one_order_whoever_asks_for_them(
    two: tuple[SqlStore, SqlStore],
) -> None:
    """Else two that want the same ones would wait for each other."""
    names = [f"n{number}" for number in range(40)]
    begun: list[int] = []

    def take(tx: Transaction, wanted: list[str]) -> None:
        begun.append(1)  # once more where PostgreSQL had to end one of the two
        tx.lock("pool", wanted)

    def often(store: SqlStore, wanted: list[str]) -> None:
        for _ in range(60):
            store.transact_now(lambda tx: take(tx, wanted))

    with ThreadPoolExecutor() as pool:
        list(pool.map(often, two, (names, names[::-1])))
    assert len(begun) == 120
