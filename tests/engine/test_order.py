"""What is offered first, where all runs are driven."""

from __future__ import annotations

from pathlib import Path

import pytest
from turns_bench import Bench, over, step

from tidelang import codec
from tidelang.definition import Definition, Step, Subrun
from tidemill.model.line import AGEING
from tidemill.model.messages import Nudge
from tidemill.model.pools import Pool


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def drained(bench: Bench) -> list[str]:
    """Everything is done one after another; in which order it began."""
    bench.work()
    while bench.at_work:
        bench.end()
        bench.work()
    return bench.begun


def test_the_critical_path_goes_first(bench: Bench) -> None:
    bench.expect(a=10, long=500, b=10, c=10)
    steps = [step("b"), step("c"), step("a"), step("long", "a")]
    bench.make(step("filler"), step("filler2"), name="other")  # takes the slot and the buffer
    bench.work()
    bench.make(*steps)
    # One is offered beyond what the worker can take, so that no slot waits for a turn: `b`
    # was chosen before `a` had ended.
    assert drained(bench)[2:] == ["a", "b", "long", "c"]


def test_long_steps_do_not_fill_what_is_offered_ahead_since_steps_are_short(bench: Bench) -> None:
    """Else a later one of a higher priority would wait until most of them have ended."""
    bench.turns.taken_meanwhile = lambda _: 100.0  # type: ignore[method-assign]
    bench.expect("big", long=60.0)
    bench.make(step("long", loop=over(30)), name="big")
    assert len(bench.offers) == 2
    bench.make(step("urgent", priority="high"), name="tiny")
    bench.make(step("short", loop=over(30)), name="many")
    assert [order.key for order in bench.offers][2] == "urgent"
    assert len(bench.offers) > 10
    assert drained(bench)[:2] == ["urgent", "long[0]"]


def test_a_flood_of_one_pipeline_does_not_keep_another_one_waiting(bench: Bench) -> None:
    bench.make(step("flood", loop=over(30)), name="big")
    bench.wait(5)
    bench.make(step("small"), name="tiny")
    begun = drained(bench)
    assert begun.index("small") <= 3


def test_a_low_priority_gets_its_turn_whatever_the_high_ones_bring(bench: Bench) -> None:
    """A high one comes whenever one ends; the bulk one starts within its bound."""
    bench.make(step("high", priority="high"), step("high2", priority="high"))
    bench.work()
    bench.make(step("bulk", priority="bulk"), name="patient")
    waited = 0.0
    while "bulk" not in bench.begun and waited < 8 * AGEING:
        bench.make(step("high", priority="high"))
        bench.wait(30)
        waited += 30
        bench.end()
        bench.work()
    assert 2 * AGEING <= waited <= 5 * AGEING


def test_long_steps_leave_free_what_is_kept_for_short_ones(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4, default=Pool(short=60, reserved=0.5))
    bench.expect(long=600, short=5)
    bench.make(step("long", loop=over(10)))
    assert [key.split("[")[0] for key in bench.work()] == ["long", "long"]
    bench.make(step("short", loop=over(10)))
    assert [key.split("[")[0] for key in bench.work()] == ["short", "short"]


def test_without_a_history_a_step_counts_as_short(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4, default=Pool(reserved=0.5))
    bench.make(step("new", loop=over(10)))
    assert len(bench.work()) == 4


def test_what_has_taken_long_is_expected_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4, default=Pool(short=60, reserved=0.5))
    bench.make(step("a", loop=over(4)))
    bench.work()
    for _ in range(4):
        bench.end(seconds=600)
    bench.wait(100)  # what was known of it is old
    bench.make(step("a", loop=over(4)))
    assert len(bench.work()) == 2


def test_a_pool_has_no_more_at_work_than_its_slots(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=8, default=Pool(slots=3))
    bench.make(step("a", loop=over(9)))
    assert len(bench.work()) == 3
    assert not bench.offers
    bench.end()
    assert len(bench.work()) == 1


def test_no_more_runs_of_a_pipeline_are_at_work_than_its_concurrency(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=9)
    numbers = [bench.make(step("a"), step("b", "a"), concurrency=2) for _ in range(4)]
    assert [bench.run(n).state for n in numbers] == ["running", "running", "pending", "pending"]
    assert bench.work() == ["a", "a"]
    bench.end("a")
    assert bench.work() == ["b"]
    bench.end("b")
    assert [bench.run(n).state for n in numbers] == ["succeeded", "running", "running", "pending"]
    assert bench.work() == ["a"]


def test_a_run_that_waits_can_be_cancelled_and_lets_the_next_one_by(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=9)
    numbers = [bench.make(step("a"), concurrency=1) for _ in range(3)]
    bench.work()
    bench.store.transact_now(lambda tx: tx.signal(numbers[1], cancel=True))
    bench.turn(Nudge(0))
    assert bench.run(numbers[1]).state == "cancelled"
    bench.end()
    assert bench.run(numbers[2]).state == "running"


def test_a_run_that_could_not_start_takes_its_place_when_it_may(tmp_path: Path) -> None:
    """Its tasks do not stand in line before those of others for having waited outside."""
    bench = Bench(tmp_path, slots=1)
    bench.make(step("first"), concurrency=1)
    held = bench.make(step("held"), concurrency=1)
    bench.work()
    rows = bench.store.transact_now(lambda tx: tx.all_tasks(held))
    assert [row.lane for row in rows] == [2]
    bench.wait(50)
    bench.end()
    rows = bench.store.transact_now(lambda tx: tx.all_tasks(held))
    assert [(row.lane, row.ready_at) for row in rows] == [(0, bench.clock.now())]


def test_a_run_that_is_a_step_of_another_passes_the_gate_too(tmp_path: Path) -> None:
    """Nothing has to end before it may: it is made behind the gate's back, in a turn's last
    part."""
    bench = Bench(tmp_path, slots=9)
    child = Definition("c", steps=(step("x"),), concurrency=1)
    bench.know(child)
    calls = [Step(name, Subrun("c", codec.digest(child))) for name in ("one", "two")]
    parent = bench.make(*calls, name="parent")
    assert bench.work() == ["x"]
    bench.end()
    assert bench.work() == ["x"]
    bench.end()
    assert bench.run(parent).state == "succeeded"


def test_long_steps_have_all_slots_of_a_pool_that_has_its_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=4, default=Pool(slots=3))
    bench.turns.taken_meanwhile = lambda _: 100.0  # type: ignore[method-assign]
    bench.expect("big", long=60.0)
    bench.make(step("long", loop=over(30)), name="big")
    assert len(bench.offers) == 3


def test_steps_that_nobody_knew_count_as_long_once_one_took_long(bench: Bench) -> None:
    bench.make(step("long", loop=over(40)), name="big")
    for _ in range(2):
        bench.work()
        bench.wait(5)
        bench.end(seconds=5)
        bench.turns.taken_meanwhile = lambda _: 100.0  # type: ignore[method-assign]
    assert len(bench.offers) == 2
