"""Backfills: every due time once, the oldest first, never too many open, whoever dies."""

from __future__ import annotations

import random
from itertools import takewhile
from pathlib import Path

import pytest

from tidelang import codec
from tidelang.definition import Argv, Definition, Param, Schedule, Step, Type
from tidemill.engine.backfilling import AT_ONCE, LOOK_AGAIN, Backfilling
from tidemill.engine.booking import Booking
from tidemill.engine.children import Children
from tidemill.engine.ledger import Ledger
from tidemill.engine.plans import Plans
from tidemill.engine.progress import Progress
from tidemill.engine.scopes import Outputs
from tidemill.engine.standing import Standing
from tidemill.model import schedules
from tidemill.model.backfills import nominal_times
from tidemill.model.rows import BackfillRow, PipelineRow, RunRow
from tidemill.model.transitions import RunEvent
from tidemill.ports import Transaction
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore

HOUR = 3600.0
DEFINITION = Definition(
    "p",
    params=(Param("n", Type("int")),),
    steps=(Step("a", Argv((("lit", "true"),))),),
    schedules=(Schedule(every=int(HOUR * 1000)),),
)
SPEC = schedules.spec_of(DEFINITION.schedules[0], {"n": 1})


class Died(Exception):
    pass


class World:
    """A store with one backfill, of which runs end as the test says."""

    def __init__(self, folder: Path, *, total: int, max_parallel: int) -> None:
        self.store = SqlStore(open_sqlite(folder / "db.sqlite"))
        row = BackfillRow(
            0, "p", SPEC, {"n": 2}, HOUR, total * HOUR, total, max_parallel, 0.0, "me", 0.0
        )
        self.store.transact_now(lambda tx: self._apply(tx, row))
        self.now = total * HOUR

    def _apply(self, tx: Transaction, row: BackfillRow) -> None:
        digest = codec.digest(DEFINITION)
        tx.add_definition(digest, "p", codec.encode(DEFINITION), 0.0)
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", 0.0, "me"))
        assert tx.add_backfill(row) == 1

    def turn(self, *ending: int, timer: bool = False, dies: bool = False) -> bool:
        """A turn in which these runs end; whether another one is wanted at once."""

        def work(tx: Transaction) -> bool:
            ledger, plans = Ledger(self.now, lease=30.0), Plans()
            progress = Progress(ledger, plans, Outputs(), tx, Standing())
            backfilling = Backfilling(tx, Children(progress, Booking(ledger, plans.of)))
            ledger.add_runs(tx.runs(ending))
            for number in ending:
                ledger.move_run(number, RunEvent.START, started_at=self.now)
                ledger.move_run(number, RunEvent.SUCCEED)
            backfilling.fill(self.now, timer=timer)
            ledger.flush(tx)
            if dies:
                raise Died
            return backfilling.more

        return self.store.transact_now(work)

    def runs(self) -> list[RunRow]:
        return sorted(self.store.transact_now(lambda tx: tx.runs(range(1, 1000))))

    def going(self) -> list[int]:
        return [run.number for run in self.runs() if not run.state.ended]

    def row(self) -> BackfillRow:
        (row,) = self.store.transact_now(lambda tx: tx.backfills([1]))
        return row


@pytest.mark.parametrize("seed", range(8))
def test_every_due_time_is_worked_off_once_whoever_dies(tmp_path: Path, seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311
    world = World(tmp_path, total=23, max_parallel=luck.choice([1, 2, 5, 40]))
    most = world.row().max_parallel
    timer = True
    while world.row().ended_at is None:
        going = world.going()
        assert len(going) <= most
        ending = luck.sample(going, luck.randint(0, len(going)))
        if luck.random() < 0.3:
            with pytest.raises(Died):
                world.turn(*ending, timer=timer, dies=True)
            assert world.going() == going
        timer = world.turn(*ending, timer=timer) or not going
    runs = world.runs()
    assert [run.due_at for run in runs] == [hour * HOUR for hour in range(1, 24)]
    assert {(run.backfill, run.schedule, run.params["n"]) for run in runs} == {(1, None, 2)}
    assert runs[0].cause == {"kind": "backfill", "backfill": 1, "due_at": HOUR, "by": "me"}
    assert (world.row().made, world.row().look_at) == (23, None)


def test_many_are_made_in_portions(tmp_path: Path) -> None:
    world = World(tmp_path, total=50, max_parallel=45)
    portions = [AT_ONCE, 2 * AT_ONCE, 45]
    wanted = [world.turn(timer=True) and len(world.going()) for _ in portions[:-1]]
    assert wanted == portions[:-1]
    assert not world.turn(timer=True)
    assert len(world.going()) == 45


def test_the_end_of_a_run_that_went_unnoticed_is_found_a_little_later(tmp_path: Path) -> None:
    world = World(tmp_path, total=3, max_parallel=1)
    world.turn(timer=True)

    def end(tx: Transaction) -> None:
        ledger = Ledger(world.now, lease=30.0)
        ledger.add_runs(tx.runs([1]))
        ledger.move_run(1, RunEvent.START)
        ledger.move_run(1, RunEvent.SUCCEED)
        ledger.flush(tx)

    world.store.transact_now(end)
    assert world.store.transact_now(lambda tx: tx.next_due(world.now)) <= world.now + LOOK_AGAIN
    world.now += LOOK_AGAIN
    world.turn(timer=True)
    assert world.going() == [2]


def test_one_that_was_cancelled_makes_no_more_and_ends_with_its_runs(tmp_path: Path) -> None:
    world = World(tmp_path, total=9, max_parallel=2)
    world.turn(timer=True)
    stopped = world.row()._replace(next_due=None, detail="cancelled by me")
    world.store.transact_now(lambda tx: tx.save_backfill(stopped))
    world.turn(1)
    assert (world.going(), world.row().ended_at) == ([2], None)
    world.turn(2)
    assert (world.row().ended_at, world.row().made) == (world.now, 2)


def test_a_version_that_its_params_do_not_fit_ends_it_with_a_word(tmp_path: Path) -> None:
    world = World(tmp_path, total=3, max_parallel=1)
    world.turn(timer=True)
    assert world.row().ended_at is None
    changed = Definition(
        "p",
        params=(Param("n", Type("int", low=5)),),
        steps=DEFINITION.steps,
    )

    def apply(tx: Transaction) -> None:
        digest = codec.digest(changed)
        tx.add_definition(digest, "p", codec.encode(changed), 0.0)
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", 0.0, "me"))

    world.store.transact_now(apply)
    world.turn(1)
    assert "at least 5, not 2" in world.row().detail
    assert world.row().ended_at is not None


def test_times_of_a_span_are_those_of_the_schedule() -> None:
    every = takewhile(lambda at: at <= 5 * HOUR, schedules.times_after(SPEC, 0.0))
    assert list(nominal_times(SPEC, HOUR, 5 * HOUR)) == list(every)
    assert list(nominal_times(SPEC, HOUR + 1, 2 * HOUR - 1)) == []
