"""Catch-up and overlap over random times when nobody was there, against an oracle that goes
through the due times one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tidemill.model.rows import PipelineRow, RunRow, ScheduleRow
from tidemill.model.states import RunState
from tidemill.model.transitions import RunEvent
from tidemill.ports import Transaction
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore

PERIOD = 60
STEPS = (Step("a", Argv((("lit", "true"),))),)


@dataclass(slots=True)
class Oracle:
    """What runs are made, by the rule: one due time after the other."""

    catchup: str
    overlap: str
    looked: int = 0
    made: list[int] = field(default_factory=list)
    going: set[int] = field(default_factory=set)
    missed: int = 0

    def wake(self, now: int) -> None:
        passed = [t for t in range(PERIOD, now + 1, PERIOD) if t > self.looked]
        self.looked = now
        wanted = {
            "all": passed,
            "latest": passed[-1:],
            "none": [t for t in passed[-1:] if now - t < 60],
        }[self.catchup]
        for due in passed:
            if due not in wanted or (self.overlap == "skip" and self.going):
                self.missed += 1
                continue
            if self.overlap == "replace":
                self.going.clear()
            self.made.append(due)
            self.going.add(due)


@cache
def empty_database() -> Path:
    """Made once: that costs more than all that is done with a copy of it."""
    file = Path(mkdtemp()) / "db.sqlite"
    open_sqlite(file).dispose()  # the last connection writes its log into the file
    assert not file.with_name("db.sqlite-wal").exists()
    return file


class Real:
    def __init__(self, folder: Path, catchup: str, overlap: str) -> None:
        copy(empty_database(), folder / "db.sqlite")
        self.store = SqlStore(open_sqlite(folder / "db.sqlite"))
        schedule = Schedule(every=PERIOD * 1000, catchup=catchup, overlap=overlap)
        self.definition = Definition("p", steps=STEPS, schedules=(schedule,))
        self.store.transact_now(self._apply)

    def _apply(self, tx: Transaction) -> None:
        digest = codec.digest(self.definition)
        spec = schedules.spec_of(self.definition.schedules[0], {})
        tx.add_definition(digest, "p", codec.encode(self.definition), 0.0)
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", 0.0, "me"))
        identity = schedules.identity_of(spec)
        tx.add_schedule(ScheduleRow(0, "p", identity, spec, float(PERIOD), float(PERIOD)))

    def wake(self, now: int) -> None:
        more = True
        while more:
            more = self.store.transact_now(lambda tx: self._fire(tx, float(now)))
            cancelled = self.store.transact_now(lambda tx: tx.take_signals(1000))
            for number in (number for number, cancel in cancelled.items() if cancel):
                self.end(number)

    @staticmethod
    def _fire(tx: Transaction, now: float) -> bool:
        ledger, plans = Ledger(now, lease=30.0), Plans()
        children = Children(
            Progress(ledger, plans, Outputs(), tx, Standing()), Booking(ledger, plans.of)
        )
        firing = Firing(tx, children)
        firing.fire(now)
        ledger.flush(tx)
        return firing.more

    def end(self, number: int) -> None:
        def work(tx: Transaction) -> None:
            ledger = Ledger(0.0, lease=30.0)
            ledger.add_runs(tx.runs([number]))
            if ledger.run(number).state is RunState.PENDING:
                ledger.move_run(number, RunEvent.START)
            ledger.move_run(number, RunEvent.SUCCEED)
            ledger.flush(tx)

        self.store.transact_now(work)

    def runs(self) -> list[RunRow]:
        return self.store.transact_now(lambda tx: tx.runs(range(1, 10_000)))

    def row(self) -> ScheduleRow:
        (row,) = self.store.transact_now(lambda tx: tx.schedules_of("p"))
        return row


@pytest.mark.parametrize("catchup", ["none", "latest", "all"])
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue", "replace"])
@settings(max_examples=10, deadline=None)
@given(wakes=st.lists(st.tuples(st.integers(1, 500), st.booleans()), min_size=3, max_size=12))
def test_runs_are_those_of_the_oracle(
    catchup: str, overlap: str, wakes: list[tuple[int, bool]]
) -> None:
    """Each wake is so many seconds after the last one; before some the first run has ended."""
    oracle, now = Oracle(catchup, overlap), 0
    with TemporaryDirectory() as folder:
        real = Real(Path(folder), catchup, overlap)
        for away, ends in wakes:
            now += away
            if ends and oracle.going:
                first = min(oracle.going)
                oracle.going.discard(first)
                real.end(next(run.number for run in real.runs() if run.due_at == first))
            oracle.wake(now)
            real.wake(now)
            found = sorted(real.runs())
            assert [run.due_at for run in found] == oracle.made
            going = {run.due_at for run in found if not run.state.ended}
            assert going == oracle.going
        row = real.row()
        assert row.missed == oracle.missed
        assert row.fired_due == (oracle.made[-1] if oracle.made else None)
        assert [run.cause for run in found] == [
            {"kind": "schedule", "schedule": 1, "due_at": due} for due in oracle.made
        ]
