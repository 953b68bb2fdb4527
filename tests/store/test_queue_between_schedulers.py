"""A run that has to wait for one that ends at the same time, in another scheduler's turn, begins
when it has: nobody else would ever come by."""

from __future__ import annotations

import threading

import pytest
from postgres import Postgres

from tidelang import codec
from tidelang.definition import Argv, Definition, Schedule, Step
from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.firing import Firing
from tidemill.engine.gate import Gate
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.model import schedules
from tidemill.model.rows import PipelineRow, ScheduleRow
from tidemill.model.states import RunState
from tidemill.model.transitions import RunEvent
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore


def each_minute(overlap: str, concurrency: int | None) -> Definition:
    return Definition(
        "p",
        steps=(Step("a", Argv((("lit", "true"),))),),
        schedules=(Schedule(every=60_000, overlap=overlap, catchup="all"),),
        concurrency=concurrency,
    )


def apply(tx: Transaction, wanted: Definition) -> None:
    digest, spec = codec.digest(wanted), schedules.spec_of(wanted.schedules[0], {})
    tx.add_definition(digest, "p", codec.encode(wanted), 0.0)
    tx.save_pipeline(PipelineRow("p", digest, "p.tide", 0.0, "me"))
    tx.add_schedule(ScheduleRow(0, "p", schedules.identity_of(spec), spec, 60.0, 60.0))


def children_of(tx: Transaction, now: float) -> tuple[Children, Gate]:
    ledger, plans, standing = Ledger(now, lease=30.0), Plans(), Standing()
    progress = Progress(ledger, plans, Outputs(), tx, standing)
    return Children(progress, Booking(ledger, plans.of)), Gate(tx, ledger, plans, standing)


def fire(tx: Transaction, now: float) -> None:
    children, gate = children_of(tx, now)
    Firing(tx, children).fire(now)
    gate.pass_on([])
    children.ledger.flush(tx)


def end_the_first(tx: Transaction) -> None:
    children, gate = children_of(tx, 120.0)
    children.ledger.add_runs(tx.runs([1]))
    children.plans.refresh(tx, children.ledger.runs())
    children.ledger.move_run(1, RunEvent.SUCCEED)
    gate.note()
    children.ledger.flush(tx)


def heed(tx: Transaction) -> bool:
    """A turn that heeds what is signalled, if anything is."""
    signals = tx.take_signals(10)
    children, gate = children_of(tx, 120.0)
    children.ledger.add_runs(tx.runs(signals))
    children.plans.refresh(tx, children.ledger.runs())
    gate.pass_on(signals)
    gate.note()
    children.ledger.flush(tx)
    return bool(signals)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(each_minute("queue", None), id="behind the one before it"),
        pytest.param(each_minute("allow", 1), id="by concurrency"),
    ],
)
def test_a_run_that_has_to_wait_while_the_one_before_it_ends_begins(
    postgres: Postgres, wanted: Definition
) -> None:
    url = postgres.database()
    one, other = (SqlStore(open_postgres(url)) for _ in range(2))
    one.transact_now(lambda tx: apply(tx, wanted))
    one.transact_now(lambda tx: fire(tx, 60.0))

    def end() -> None:
        other.transact_now(end_the_first)
        other.transact_now(heed)

    ending = threading.Thread(target=end)

    def queue(tx: Transaction) -> None:
        fire(tx, 120.0)
        ending.start()
        ending.join(1.0)  # it heeds that beside this, or waits for it

    one.transact_now(queue)
    ending.join(60)
    for _ in range(3):
        one.transact_now(heed)
    assert not one.transact_now(heed), "it is signalled again and again"
    first, second = one.transact_now(lambda tx: tx.runs([1, 2]))
    assert (first.state, second.state) == (RunState.SUCCEEDED, RunState.RUNNING)
