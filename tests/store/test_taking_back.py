"""What was made ahead is taken back only while it is yet to come: whoever applies or pauses, and
has to wait until somebody else lets go of the schedule, goes by the time at which that was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres import Postgres

from tidelang import codec
from tidemill.app import apply, applying, pausing
from tidemill.app.applying import Sources
from tidemill.engine.create import NewRun, create_run
from tidemill.model import causes
from tidemill.model.plan import make_plan
from tidemill.model.rows import RunRow, ScheduleRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction
from tidemill.project import Project
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore

MADE, DUE, LATER = 1_000_000_000.5, 1_000_000_002.0, 1_000_000_003.0
SOURCE = """
pipeline p {
  schedule 2s { overlap = allow, prewarm = 1s }
  step a { run = "echo %s" }
}
"""


class Clock:
    moment = MADE

    def now(self) -> float:
        return self.moment


class World:
    """A schedule with a run that was made ahead, in a database that two share."""

    def __init__(self, folder: Path, url: str) -> None:
        self.project, self.file = Project(folder), folder / "p.tide"
        self.stores = [SqlStore(open_postgres(url)) for _ in range(2)]
        self.file.write_text(SOURCE % 1)
        self.apply()
        self.stores[0].transact_now(make_ahead)

    def apply(self) -> None:
        apply(self.project, Sources((self.file,)))

    def change(self) -> None:
        self.file.write_text(SOURCE % 2)
        self.apply()

    def pause(self) -> None:
        pausing.pause(self.project, "p", None, "")

    def beside(self, holds: Callable[[Transaction], object], work: Callable[[], None]) -> None:
        """Has it done while somebody else has the schedule in hand until it is due."""
        doing = threading.Thread(target=work)

        def hold(tx: Transaction) -> None:
            holds(tx)
            doing.start()
            self.until_somebody_waits()
            Clock.moment = LATER

        self.stores[0].transact_now(hold)
        doing.join(30)
        assert not doing.is_alive()

    def until_somebody_waits(self) -> None:
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with self.stores[1]._engine.connect() as connection:  # noqa: SLF001
                if connection.exec_driver_sql(asked).scalar_one():
                    return
            time.sleep(0.02)
        raise AssertionError("nobody waits")

    def now(self) -> tuple[RunRow, ScheduleRow]:
        def look(tx: Transaction) -> tuple[RunRow, ScheduleRow]:
            (run,), (schedule,) = tx.runs([1]), tx.schedules_of("p")
            return run, schedule

        return self.stores[0].transact_now(look)


def make_ahead(tx: Transaction) -> None:
    row = tx.pipeline("p")
    assert row is not None
    (schedule,) = tx.schedules_of("p")
    content = tx.definition(row.digest)
    plan = make_plan(codec.decode(content), {})
    new = NewRun(
        plan,
        row.digest,
        content,
        row.file,
        chosen=frozenset(range(plan.size)),
        carried={},
        pooled=True,
        schedule=schedule.number,
        due_at=DUE,
        cause=causes.schedule(schedule.number, DUE),
    )
    create_run(tx, new, MADE)
    tx.save_schedules([schedule._replace(next_due=DUE + 2, act_at=DUE + 1)])


@pytest.fixture
def world(tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> World:
    url = postgres.database()
    monkeypatch.setenv("TIDEMILL_POSTGRES", url)
    for module in (applying, pausing):
        monkeypatch.setattr(module, "SystemClock", Clock)
    monkeypatch.setattr(Clock, "moment", MADE)
    return World(tmp_path, url)


@pytest.mark.parametrize("what", ["change", "pause"])
def test_what_is_yet_to_come_is_taken_back(world: World, what: str) -> None:
    getattr(world, what)()
    run, schedule = world.now()
    assert (run.schedule, run.state) == (None, RunState.CANCELLING)
    assert schedule.next_due == DUE


@pytest.mark.parametrize("what", ["change", "pause"])
def test_what_has_become_due_meanwhile_is_not_taken_back(world: World, what: str) -> None:
    world.beside(lambda tx: tx.schedules_of("p"), getattr(world, what))
    run, schedule = world.now()
    assert (run.schedule, run.state) == (schedule.number, RunState.PENDING)
    assert schedule.next_due == DUE + 2
    assert schedule.paused == (what == "pause")


@pytest.mark.parametrize(("dealt_with", "due"), [(False, DUE), (True, DUE + 2)])
def test_a_time_that_was_dealt_with_before_a_pause_is_not_due_again_after_it(
    world: World, dealt_with: bool, due: float
) -> None:
    """By a scheduler whose clock is ahead of that of whoever pauses."""
    _, row = world.now()
    row = row._replace(paused=True, next_due=DUE + 2 if dealt_with else DUE - 2)
    assert pausing.resumed(row, MADE).next_due == due


def test_what_nobody_had_dealt_with_before_a_pause_counts_as_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "moment", DUE + 9)
    world.pause()
    _, schedule = world.now()
    assert (schedule.missed, schedule.missed_at) == (4, DUE + 8)
    assert schedule.next_due == DUE + 10
