"""Schedules, where much happens in the same transaction."""

from __future__ import annotations

from pathlib import Path

from tidelang import codec
from tidelang.definition import Argv, Definition, Schedule, Step
from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.firing import Firing
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.model import schedules
from tidemill.model.rows import PipelineRow, ScheduleRow
from tidemill.model.transitions import RunEvent
from tidemill.ports import Transaction
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore

EVERY_MINUTE = Definition(
    "p", steps=(Step("a", Argv((("lit", "true"),))),), schedules=(Schedule(every=60_000),)
)


def turn(tx: Transaction, now: float) -> tuple[Ledger, Firing]:
    ledger, plans = Ledger(now, lease=30.0), Plans()
    children = Children(
        Progress(ledger, plans, Outputs(), tx, Standing()), Booking(ledger, plans.of)
    )
    return ledger, Firing(tx, children)


def apply(tx: Transaction) -> None:
    digest, spec = codec.digest(EVERY_MINUTE), schedules.spec_of(EVERY_MINUTE.schedules[0], {})
    tx.add_definition(digest, "p", codec.encode(EVERY_MINUTE), 0.0)
    tx.save_pipeline(PipelineRow("p", digest, "p.tide", 0.0, "me"))
    tx.add_schedule(ScheduleRow(0, "p", schedules.identity_of(spec), spec, 60.0, 60.0))


def fire(tx: Transaction, now: float, *, ending: bool = False) -> None:
    ledger, firing = turn(tx, now)
    if ending:
        ledger.add_runs(tx.runs([1]))
        ledger.move_run(1, RunEvent.START, started_at=now)
        ledger.move_run(1, RunEvent.SUCCEED)
    firing.fire(now)
    ledger.flush(tx)


def test_a_run_that_ends_in_the_turn_of_the_next_due_time_is_not_in_its_way(
    tmp_path: Path,
) -> None:
    store = SqlStore(open_sqlite(tmp_path / "db.sqlite"))
    store.transact_now(apply)
    store.transact_now(lambda tx: fire(tx, 60.0))
    store.transact_now(lambda tx: fire(tx, 120.0))
    assert store.transact_now(lambda tx: tx.open_runs_of([1])) == {1: [1]}, (
        "the second one is skipped"
    )
    store.transact_now(lambda tx: fire(tx, 180.0, ending=True))
    assert store.transact_now(lambda tx: tx.open_runs_of([1])) == {1: [2]}
