"""`tidemill why` says what a step waits for that may run."""

from __future__ import annotations

from pathlib import Path

import pytest
from turns_bench import LEASE, Bench, over, step

from tidemill.app.pools import pools
from tidemill.app.waiting import Waiting
from tidemill.errors import UsageError
from tidemill.model.line import AGEING
from tidemill.model.pools import Pool
from tidemill.project import Project
from tidemill.store.history import SqlHistory


def why(bench: Bench, run: int, key: str) -> str:
    """Of the task with this key, whose run has one plan whatever its definition."""
    history = SqlHistory(bench.store._engine)  # noqa: SLF001
    waiting = Waiting(history, bench.turns.standing.pools, LEASE)
    row = history.run(run)
    assert row is not None
    plan = bench.turns.plans.of(run)
    task = next(task for task in history.tasks(run) if task.key == key)
    return waiting.why(row, plan, task, bench.clock.now())


def test_no_worker_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run = bench.make(step("a", pool="gpu"))
    said = "cannot be placed: there is no worker of pool gpu; there are pools default"
    assert why(bench, run, "a") == said


def test_all_slots_are_taken_and_others_stand_before_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=2)
    run = bench.make(step("a", loop=over(9), priority="low"))
    bench.work()
    bench.wait(2 * AGEING)
    assert why(bench, run, "a[8]") == (
        "pool default has 2 slots, 2 of them taken; 4 stand before it"
        " (priority low, as high by now, for 20m in line)"
    )
    assert why(bench, run, "a[4]").startswith(
        "pool default has 2 slots, 2 of them taken; it is the next one"
    )
    assert why(bench, run, "a[3]") == (
        "it was offered to the workers of pool default, and is to be taken by one that is free"
    )


def test_the_pool_has_no_slot_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=8, default=Pool(slots=2))
    run = bench.make(step("a", loop=over(3)))
    bench.work()
    assert why(bench, run, "a[2]") == "2 steps of pool default are at work, and its slots are 2"


def test_long_ones_are_told_of_their_lane(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4, default=Pool(reserved=0.5))
    bench.expect(a=600)
    run = bench.make(step("a", loop=over(3)))
    bench.work()
    assert why(bench, run, "a[2]").endswith(
        "; it is expected to take long, and 2 slots are for such"
    )


def test_limits_of_the_fan_out_and_of_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4)
    first = bench.make(step("a", loop=over(3), max_parallel=1))
    second = bench.make(step("a"), step("b"), name="q", max_parallel=1)
    assert why(bench, first, "a[1]") == (
        "1 of its fan-out are at work, which is its `max_parallel`"
    )
    assert why(bench, second, "b") == (
        "1 steps of its run are at work, which is its `max_parallel`"
    )


def test_runs_that_go_on_before_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4)
    first = bench.make(step("a"), concurrency=1)
    second = bench.make(step("a"), concurrency=1)
    assert why(bench, second, "a") == (
        f"its run waits for one of {first} to end: `concurrency` is 1"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[pools]\ndb = 3", "pools.db is no table"),
        ("[pools.db]\nslot = 3", "slot"),
        ("[pools.db]\nslots = 0", "slots is 0"),
        ("[pools.db]\nslots = true", "slots is True"),
        ("[pools.db]\nshort = 3", "no duration"),
        ("[pools.db]\nreserved = 1.5", "share from 0 to 1"),
    ],
)
def test_what_is_configured_wrongly_is_said(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tidemill.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        pools(Project(tmp_path))
    assert says in f"{caught.value} {caught.value.hint}"


def test_pools_are_read_as_they_are_configured(tmp_path: Path) -> None:
    text = '[pools.db]\nslots = 3\nshort = "2m"\nreserved = 0.25\n[pools.gpu]\n'
    (tmp_path / "tidemill.toml").write_text(text)
    assert pools(Project(tmp_path)) == {"db": Pool(3, 120.0, 0.25), "gpu": Pool()}
