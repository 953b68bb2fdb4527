"""Schedules, where much happens in the same transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tidelang import codec
from tidelang.definition import Argv, Definition, Param, Schedule, Step
from tidelang.types import INT
from tidemill.app.applying import apply_definition
from tidemill.app.calendars import Calendars
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


def apply(tx: Transaction, definition: Definition = EVERY_MINUTE, **params: Any) -> None:
    name, digest = definition.name, codec.digest(definition)
    spec = schedules.spec_of(definition.schedules[0], params)
    tx.add_definition(digest, name, codec.encode(definition), 0.0)
    tx.save_pipeline(PipelineRow(name, digest, f"{name}.tide", 0.0, "me"))
    tx.add_schedule(ScheduleRow(0, name, schedules.identity_of(spec), spec, 60.0, 60.0))


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


@pytest.mark.parametrize("many", [1, 150])
def test_a_turn_asks_as_much_however_many_schedules_are_due(tmp_path: Path, many: int) -> None:
    store = SqlStore(open_sqlite(tmp_path / "db.sqlite"))
    for number in range(many):
        store.transact_now(lambda tx, n=number: apply(tx, replace(EVERY_MINUTE, name=f"p{n}")))
    statements: list[str] = []
    connection: Any = store._connected().connection.dbapi_connection  # noqa: SLF001
    connection.set_trace_callback(statements.append)
    store.transact_now(lambda tx: fire(tx, 60.0))
    connection.set_trace_callback(None)
    assert store.transact_now(lambda tx: len(tx.runs(range(many + 1)))) == many
    assert len(statements) <= 25, "\n".join(sorted(x[:90] for x in statements))


def test_what_a_run_is_made_of_is_what_is_stored(tmp_path: Path) -> None:
    store = SqlStore(open_sqlite(tmp_path / "db.sqlite"))
    store.transact_now(apply)

    def work(tx: Transaction) -> None:
        ledger, firing = turn(tx, 60.0)
        firing.fire(60.0)
        assert ledger.made == [1]
        assert tx.runs([1]) == [ledger.run(1)]
        assert tx.all_tasks(1) == ledger.tasks()
        assert ledger.tasks()

    store.transact_now(work)


def test_a_schedule_that_cannot_start_is_missed_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqlStore(open_sqlite(tmp_path / "db.sqlite"))
    asks = replace(EVERY_MINUTE, name="q", params=(Param("n", INT),))
    store.transact_now(apply)
    store.transact_now(lambda tx: apply(tx, asks, n="no number"))
    store.transact_now(lambda tx: fire(tx, 60.0))
    rows = [store.transact_now(lambda tx, n=n: tx.schedule(n)) for n in (1, 2)]
    assert [row and (row.missed, row.fired_due, row.next_due) for row in rows] == [
        (0, 60.0, 120.0),
        (1, None, 120.0),
    ]
    assert "schedule 2 of q cannot start: a param does not fit" in caplog.text


def test_a_time_that_could_not_be_made_ahead_is_not_lost_behind_a_jittered_one(
    tmp_path: Path,
) -> None:
    """Were one due with its jitter and the other without, a later one could have the earlier
    time."""
    store = SqlStore(open_sqlite(tmp_path / "db.sqlite"))
    schedule = Schedule(
        every=60_000, jitter=900_000, overlap="queue", catchup="all", prewarm=30_000
    )
    later = schedules.offset(schedules.spec_of(schedule, {}), "p")
    assert later > 60
    calendars = Calendars(tmp_path, tmp_path, date(2026, 1, 1))
    definition = replace(EVERY_MINUTE, schedules=(schedule,))
    store.transact_now(lambda tx: apply_definition(tx, definition, "p.tide", calendars, 0.0, "me"))
    store.transact_now(lambda tx: fire(tx, 60 + later - 30))
    assert [run.number for run in store.transact_now(lambda tx: tx.runs([1, 2]))] == [1]
    store.transact_now(lambda tx: fire(tx, 120 + later - 30))  # the first is still going
    store.transact_now(lambda tx: fire(tx, 120 + later))
    (row,) = store.transact_now(lambda tx: tx.schedules_of("p"))
    runs = store.transact_now(lambda tx: tx.runs([1, 2]))
    assert (row.next_due, len(runs), row.missed) == (180 + later, 2, 0)
