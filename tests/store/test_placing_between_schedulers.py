"""Two schedulers that place at the same time never give away the same twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres import Postgres

from tidelang import codec
from tidelang.definition import Argv, Definition, Step
from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.dispatch import Dispatch
from tidemill.engine.ledger import Ledger
from tidemill.engine.placing import Places, Placing
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.roster import Roster
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.model.messages import Heartbeat
from tidemill.model.plan import make_plan
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore

NOW = 10.0
DEFINITION = Definition(
    "p", steps=(Step("s", Argv((("lit", "true"),)), resources=(("cpu", 2.0),)),)
)


class Scheduler:
    def __init__(self, url: str) -> None:
        self.store = SqlStore(open_postgres(url))
        self.roster = Roster(30.0)
        self.roster.heard(Heartbeat("w1", "default", 9, (), resources={"cpu": 3.0}), NOW)
        self.placing = Placing(self.roster)

    def place(self, tx: Transaction) -> list[str]:
        """Offers what a turn would; to whom."""
        ledger, plans = Ledger(NOW, lease=30.0), Plans()
        progress = Progress(ledger, plans, Outputs(), tx, Standing())
        self.placing.changed = True
        dispatch = Dispatch(
            Children(progress, Booking(ledger, plans.of)),
            self.roster.capacity(NOW, 0),
            pooled=True,
            epoch="",
            places=Places(self.placing, tx, ledger, plans, sure=True),
        )
        dispatch.fill()
        ledger.flush(tx)
        return [order.target for order in dispatch.orders]


@pytest.fixture
def two(postgres: Postgres) -> Iterator[tuple[Scheduler, Scheduler]]:
    url = postgres.database()
    made = Scheduler(url), Scheduler(url)
    yield made
    for scheduler in made:
        scheduler.store._engine.dispose()  # noqa: SLF001


def create(store: SqlStore) -> None:
    plan = make_plan(DEFINITION, {})
    new = NewRun(
        plan, codec.digest(DEFINITION), codec.encode(DEFINITION), "p.tide",
        frozenset(range(plan.size)), {}, pooled=True,
    )  # fmt: skip
    store.transact_now(lambda tx: create_run(tx, new, NOW))


def test_who_comes_while_another_one_places_looks_again_later(
    two: tuple[Scheduler, Scheduler],
) -> None:
    one, other = two
    for _ in range(2):
        create(one.store)
    meanwhile: list[list[str]] = []

    def turn(tx: Transaction) -> list[str]:
        placed = one.place(tx)
        meanwhile.append(other.store.transact_now(other.place))
        return placed

    assert one.store.transact_now(turn) == ["w1"]
    assert meanwhile == [[]]
    assert other.placing.next_at is not None
    assert other.store.transact_now(other.place) == [], "it sees what the first one has placed"
    assert other.placing.next_at is None or other.placing.next_at > NOW + 1


def test_what_waits_is_placed_by_whoever_comes_next(two: tuple[Scheduler, Scheduler]) -> None:
    one, other = two
    create(one.store)
    assert other.store.transact_now(other.place) == ["w1"]
    assert one.store.transact_now(one.place) == []
