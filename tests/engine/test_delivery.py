"""Attempts, fences, leases: what happens when things are late, lost or said twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_world import LEASE, World, step

from tidelang.definition import Retry
from tidemill.engine.create import earlier
from tidemill.engine.rerun import again
from tidemill.engine.takeover import ask_to_cancel, take_over
from tidemill.model.messages import Nudge, Result, Started
from tidemill.model.rows import TaskRef
from tidemill.model.states import RunState

THRICE = Retry(attempts=3, backoff=5_000, factor=2.0, max=60_000)


async def test_a_failed_step_is_tried_again_after_its_back_off(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", retry=THRICE)]) as world:
        await world.end("a", code=1)
        assert world.state("a") == "ready"
        await world.clock.advance(4.8)
        assert len(world.executor.started["a"]) == 1
        await world.clock.advance(0.2)
        assert len(world.executor.started["a"]) == 2
        await world.end("a", code=1)
        await world.clock.advance(9.8)
        assert len(world.executor.started["a"]) == 2
        await world.clock.advance(0.2)
        await world.end("a", code=1)
        assert (world.state("a"), world.row("a").attempt) == ("failed", 3)


async def test_every_attempt_has_a_higher_fence_and_the_same_key(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", retry=THRICE)]) as world:
        await world.end("a", code=1)
        await world.clock.advance(6)
        first, second = (started.work for started in world.executor.started["a"])
        assert second.fence > first.fence
        assert second.env["TIDE_FENCE"] == str(second.fence)
        assert first.env["TIDE_IDEMPOTENCY_KEY"] == second.env["TIDE_IDEMPOTENCY_KEY"]


async def test_a_step_that_runs_too_long_is_stopped_and_timed_out(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", timeout=60_000)]) as world:
        await world.clock.advance(59.5)
        assert world.executor.started["a"][0].stops == []
        await world.clock.advance(1)
        assert world.executor.started["a"][0].stops == [10.0]
        assert world.state("a") == "timed_out"
        assert world.row("a").detail == "stopped after 60 s"


async def test_a_long_step_lives_by_its_workers_heartbeats(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a")]) as world:
        await world.clock.advance(20 * LEASE)
        assert (world.state("a"), len(world.executor.started["a"])) == ("running", 1)


async def test_a_worker_that_falls_silent_loses_its_attempt(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", retry=THRICE)]) as world:
        world.executor.on_stop = False
        world.tasks[1].cancel()
        await world.clock.run_until_idle()
        await world.clock.advance(LEASE + 1)
        assert world.state("a") == "ready"
        (fence,) = (s.work.fence for s in world.executor.started["a"])
        late = Result(TaskRef(1, 0), fence, "w1", 1.0, 2.0, "exited", exit_code=0)
        await world.broker.report(late)
        await world.clock.advance(0.1)
        assert world.state("a") != "succeeded", "a zombie never overwrites what came after it"
        assert world.refused() == 1


async def test_a_lost_attempt_of_a_step_that_may_run_once_ends_it(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", retry=THRICE, idempotent=False)]) as world:
        world.executor.on_stop = False
        world.tasks[1].cancel()
        await world.clock.run_until_idle()
        await world.clock.advance(LEASE + 1)
        assert (world.state("a"), world.run_state()) == ("lost", "failed")


async def test_a_result_said_twice_changes_nothing(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), step("b", "a")]) as world:
        fence = world.executor.started["a"][0].work.fence
        await world.end("a")
        again = Result(TaskRef(1, 0), fence, "w1", 1.0, 2.0, "exited", exit_code=1)
        await world.broker.report(again)
        await world.clock.advance(0.1)
        assert (world.state("a"), world.at_work()) == ("succeeded", ["b"])


async def test_a_start_of_an_old_fence_is_refused_and_stopped(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a")]) as world:
        await world.broker.report(Started(TaskRef(1, 0), 99, "other", 1.0))
        await world.clock.advance(0.1)
        assert world.refused() == 1
        assert world.state("a") == "running"


async def test_an_offer_that_nobody_takes_is_withdrawn_and_made_again(tmp_path: Path) -> None:
    steps = [step("a"), step("b")]
    async with World(tmp_path, steps, slots=1) as world:
        assert (world.at_work(), world.state("b")) == (["a"], "queued")
        before = world.row("b").fence
        await world.clock.advance(2 * LEASE + 5)
        assert world.row("b").fence > before
        await world.end("a")
        assert world.at_work() == ["b"]
        assert world.row("b").attempt == 1, "an offer withdrawn is no attempt"
        await world.end("b")
        assert world.run_state() == "succeeded"


async def test_a_cancel_stops_what_is_at_work_and_starts_nothing_more(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), step("b", "a"), step("c")], slots=1) as world:
        now = world.clock.now()
        world.store.transact_now(lambda tx: ask_to_cancel(tx, 1, now))
        await world.broker.report(Nudge(1))
        await world.clock.advance(0.1)
        assert [world.state(key) for key in "abc"] == ["cancelled"] * 3
        assert world.run_state() == "cancelled"
        assert world.executor.started["a"][0].stops == [10.0]
        assert list(world.executor.started) == ["a"]


async def test_a_cancel_that_nobody_announced_is_noticed_at_the_next_write(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), step("b", "a")]) as world:
        now = world.clock.now()
        world.store.transact_now(lambda tx: ask_to_cancel(tx, 1, now))
        await world.end("a")
        await world.broker.report(Nudge(1))
        await world.clock.advance(0.1)
        assert world.run_state() == "cancelled"
        assert world.state("b") == "cancelled"


async def test_who_overslept_judges_no_lease_before_hearing_again(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a")]) as world:
        world.clock.leap(10 * LEASE)  # the whole process was stopped, its timers too
        await world.clock.advance(LEASE)
        assert (world.state("a"), len(world.executor.started["a"])) == ("running", 1)


async def test_a_run_whose_process_died_goes_on_where_it_was(tmp_path: Path) -> None:
    world = World(tmp_path, [step("a"), step("b", "a"), step("c", "a", idempotent=False)])
    async with world:
        await world.end("a")
        assert world.at_work() == ["b", "c"]
        for task in world.tasks:
            task.cancel()
        await world.clock.run_until_idle()
        run = world.store.transact_now(lambda tx: take_over(tx, 1, world.clock.now()))
        assert run.state is RunState.RUNNING
        assert [world.state(key) for key in "abc"] == ["succeeded", "ready", "lost"]


@pytest.mark.parametrize(
    ("failed", "kept"), [("d", {"a", "b", "c", "x"}), ("b", {"a", "c", "x"}), ("a", {"x"})]
)
async def test_a_retry_keeps_what_succeeded_and_needs_nothing_done_again(
    tmp_path: Path, failed: str, kept: set[str]
) -> None:
    steps = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"), step("x")]
    async with World(tmp_path, steps) as world:
        for _ in range(5):
            for key in world.at_work():
                await world.end(key, code=1 if key == failed else 0)
        rows = world.store.transact_now(lambda tx: tx.all_tasks(1))
        carried = again(world.plan, world.run, rows).carried
        assert {row.key for row in carried.values()} == kept
        retried = world.make(frozenset(range(world.plan.size)), carried)
        states = {
            row.key: row.state.value
            for row in world.store.transact_now(lambda tx: tx.all_tasks(retried.number))
        }
        assert {key for key, state in states.items() if state == "succeeded"} == kept
        assert "ready" in states.values(), "a retry has something to do at once"


async def test_only_one_step_takes_part_where_only_one_is_chosen(tmp_path: Path) -> None:
    world = World(tmp_path, [step("a"), step("b", "a"), step("c", "b")])
    async with world:
        only = world.make(frozenset({1}), {})
        rows = world.store.transact_now(lambda tx: tx.all_tasks(only.number))
        assert [row.state.value for row in rows] == ["skipped", "ready", "skipped"]
        assert (
            world.store.transact_now(lambda tx: earlier(tx, world.plan, frozenset({1})).carried)
            == {}
        )
