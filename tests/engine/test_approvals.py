"""Steps that wait for people: on the virtual clock, with the real scheduler and store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_bench import LEASE, Bench, pipeline
from engine_bench import step as argv_step
from engine_world import World, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang.definition import Approval, Loop, Output, Script, Step, Type, Variable
from tidemill.engine.approvals import Answer, Person, record_decision
from tidemill.engine.rerun import again
from tidemill.engine.scheduler import Scheduler
from tidemill.engine.takeover import ask_to_cancel, take_over
from tidemill.errors import UsageError
from tidemill.model.messages import Nudge
from tidemill.model.rows import TaskRow
from tidemill.model.states import TaskState
from tidemill.spi import exited

ALICE = Person("alice", frozenset({"staff", "release"}))
BOB = Person("bob", frozenset({"staff"}))
HOUR = 3_600_000


def gate(name: str, *needs: str, **fields: Any) -> Step:
    asks = {k: fields.pop(k) for k in ("prompt", "by", "timeout") if k in fields}
    approval = Approval(asks.get("prompt", ("lit", "Ship?")), asks.get("by", ()),
                        asks.get("timeout"))  # fmt: skip
    return Step(name, approval, needs=needs, **fields)


def say(
    world: World, name: str, *, yes: bool = True, person: Person = ALICE, reason: str = ""
) -> TaskRow:
    answer, now, number = Answer(name, yes, reason), world.clock.now(), world.run.number
    return world.store.transact_now(lambda tx: record_decision(tx, number, answer, person, now))


async def told(world: World) -> None:
    await world.broker.report(Nudge(world.run.number))
    await world.clock.advance(0.1)


def events(world: World, kind: str) -> list[dict[str, Any]]:
    with world.engine.connect() as connection:
        query = f"SELECT data FROM outbox WHERE kind = '{kind}' ORDER BY seq"
        return [json.loads(row[0]) for row in connection.exec_driver_sql(query)]


async def test_a_step_waits_until_somebody_approves(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), gate("ok", "a"), step("b", "ok")]) as world:
        assert world.state("ok") == "blocked"
        await world.end("a")
        assert (world.state("ok"), world.row("ok").detail) == ("awaiting_approval", "Ship?")
        await world.clock.advance(5_000.0)
        assert world.state("ok") == "awaiting_approval"
        assert world.at_work() == []
        say(world, "ok", reason="looks good")
        await told(world)
        row = world.row("ok")
        assert (row.state.value, row.detail) == ("succeeded", "approved by alice: looks good")
        assert row.ended_at is not None
        assert row.started_at is not None
        assert row.ended_at - row.started_at >= 5_000.0
        assert world.at_work() == ["b"]
        await world.end("b")
        assert world.run_state() == "succeeded"


async def test_a_rejected_step_has_failed_and_what_needs_it_does_not_run(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok"), step("b", "ok")]) as world:
        say(world, "ok", yes=False)
        await told(world)
        assert (world.state("ok"), world.row("ok").detail) == ("failed", "rejected by alice")
        assert world.state("b") == "upstream_failed"
        assert world.run_state() == "failed"


async def test_a_rejection_may_be_allowed_and_decided_upon(tmp_path: Path) -> None:
    other = step("other", "ok", when=("state", "failed", "ok"), when_decides=True)
    async with World(tmp_path, [gate("ok", allow_failure=True), other]) as world:
        say(world, "ok", yes=False)
        await told(world)
        assert world.at_work() == ["other"]
        await world.end("other")
        assert world.run_state() == "succeeded"


async def test_who_waits_longer_than_the_limit_has_timed_out(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", timeout=HOUR), step("b", "ok")]) as world:
        await world.clock.advance(3_599.0)
        assert world.state("ok") == "awaiting_approval"
        await world.clock.advance(1.0)
        assert world.state("ok") == "timed_out"
        assert "in time" in world.row("ok").detail
        assert world.run_state() == "failed"


async def test_a_decision_in_time_counts_though_its_news_comes_too_late(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", timeout=HOUR)]) as world:
        await world.clock.advance(3_599.0)
        say(world, "ok")  # and nobody rings
        await world.clock.advance(2.0)
        assert world.state("ok") == "succeeded"


async def test_a_decision_after_the_limit_is_refused(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", timeout=HOUR)]) as world:
        world.tasks[0].cancel()  # nobody drives the run: nobody notices the time
        await world.clock.advance(3_700.0)
        with pytest.raises(UsageError, match="the time to decide on ok is over") as caught:
            say(world, "ok")
        assert "tidemill retry 1" in caught.value.hint
        world.tasks.pop(0)


async def test_people_hold_no_slot_and_count_in_no_limit(tmp_path: Path) -> None:
    items = ("list", tuple(("lit", i) for i in range(5)))
    wide = gate("ok", loop=Loop(("v",), items), max_parallel=1)
    steps = [wide, step("a"), step("b")]
    async with World(tmp_path, steps, slots=2, max_parallel=2) as world:
        assert {world.state(f"ok[{i}]") for i in range(5)} == {"awaiting_approval"}
        assert world.at_work() == ["a", "b"]
        rows = world.store.transact_now(lambda tx: tx.open_tasks(1))
        assert {row.key for row in rows} == {*(f"ok[{i}]" for i in range(5)), "a", "b"}
        assert world.store.transact_now(lambda tx: sum(tx.active().queues.values())) == 2


async def test_the_prompt_is_worked_out_from_outputs(tmp_path: Path) -> None:
    made = step("a", outputs=(Output("n", Type("int")),))
    prompt = ("text", (("lit", "ship "), ("get", ("ref", "step", "a"), "n"), ("lit", "?")))
    async with World(tmp_path, [made, gate("ok", "a", prompt=prompt)]) as world:
        await world.end("a", values=b"n=42\n")
        assert world.row("ok").detail == "ship 42?"


async def test_a_prompt_without_a_value_fails_its_step_in_words(tmp_path: Path) -> None:
    made = step("a", outputs=(Output("n", Type("int")),), allow_failure=True)
    prompt = ("get", ("ref", "step", "a"), "n")
    async with World(tmp_path, [made, gate("ok", "a", prompt=prompt)]) as world:
        await world.end("a", code=1)
        assert world.state("ok") == "failed"
        assert world.row("ok").detail.startswith("`prompt` has no value")
        assert world.run_state() == "failed"


async def test_a_false_condition_asks_nobody(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", when=("lit", False)), step("b")]) as world:
        assert world.state("ok") == "skipped"
        assert events(world, "approval_needed") == []


async def test_cancelling_ends_the_wait(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok")]) as world:
        world.store.transact_now(lambda tx: ask_to_cancel(tx, 1, world.clock.now()))
        with pytest.raises(UsageError, match="is being cancelled"):
            say(world, "ok")
        await told(world)
        assert (world.state("ok"), world.run_state()) == ("cancelled", "cancelled")
        with pytest.raises(UsageError, match="run 1 has ended"):
            say(world, "ok")


async def test_the_first_decision_counts_and_the_second_is_told(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok"), step("b")]) as world:
        say(world, "ok", yes=False, reason="no")
        with pytest.raises(UsageError, match="ok was rejected by alice already"):
            say(world, "ok", person=BOB)
        await told(world)
        assert world.row("ok").detail == "rejected by alice: no"
        with pytest.raises(UsageError, match="not wait for approval any more: rejected by alice"):
            say(world, "ok", person=BOB)


async def test_what_happened_is_in_the_log_of_events_once(tmp_path: Path) -> None:
    asked = gate("ok", by=("release",), timeout=HOUR)
    async with World(tmp_path, [asked, step("b")]) as world:
        until = world.row("ok").run_at
        needed = [{"prompt": "Ship?", "by": ["release"], "until": until}]
        assert events(world, "approval_needed") == needed
        say(world, "ok", reason="fine")
        said_at = world.clock.now()
        for _ in range(3):
            await told(world)
        assert events(world, "approved") == [{"by": "alice", "reason": "fine", "at": said_at}]
        with world.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT prompt, who, approved FROM approval").all()
        assert rows == [("Ship?", "alice", 1)]


@pytest.mark.parametrize("by", [("alice",), ("release",), ("carol", "staff"), ()])
async def test_users_and_groups_may_decide(tmp_path: Path, by: tuple[str, ...]) -> None:
    async with World(tmp_path, [gate("ok", by=by)]) as world:
        say(world, "ok")
        await told(world)
        assert world.state("ok") == "succeeded"


async def test_who_is_not_among_them_is_refused_with_the_list(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", by=("alice", "release"))]) as world:
        with pytest.raises(UsageError, match="bob may not decide on ok") as caught:
            say(world, "ok", person=BOB)
        assert "alice, release" in caught.value.hint
        await told(world)
        assert world.state("ok") == "awaiting_approval"


async def test_of_several_tasks_the_one_that_waits_is_meant(tmp_path: Path) -> None:
    loop = Loop(("v",), ("list", (("lit", "eu"), ("lit", "us"))))
    async with World(tmp_path, [gate("ok", loop=loop), step("b")]) as world:
        with pytest.raises(UsageError, match="2 tasks of ok wait") as caught:
            say(world, "ok")
        assert "'ok[eu]', 'ok[us]'" in caught.value.hint
        assert say(world, "ok[eu]").key == "ok[eu]"
        assert say(world, "ok", yes=False).key == "ok[us]"  # though nothing was applied yet
        with pytest.raises(UsageError, match="no task of ok waits"):
            say(world, "ok")
        await told(world)
        assert (world.state("ok[eu]"), world.state("ok[us]")) == ("succeeded", "failed")


async def test_each_mistake_gets_a_line_and_a_way_out(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), gate("late", "a"), gate("ok")]) as world:
        for name, message, hint in [
            ("okk", "no step 'okk'", "'ok'"),
            ("quite different", "no step", "late, ok"),
            ("a", "step a does not ask for approval", "late, ok"),
            ("late", "late does not wait for approval yet: it waits for a", "tidemill status 1"),
        ]:
            with pytest.raises(UsageError, match=message) as caught:
                say(world, name)
            assert hint in caught.value.hint


async def test_what_was_decided_while_nobody_drove_is_applied(tmp_path: Path) -> None:
    async with World(tmp_path, [gate("ok", timeout=HOUR), gate("slow", timeout=HOUR),
                                step("b", "ok")]) as world:  # fmt: skip
        world.tasks.pop(0).cancel()
        await world.clock.advance(10.0)
        say(world, "ok")
        await world.clock.advance(4_000.0)
        world.store.transact_now(lambda tx: take_over(tx, 1, world.clock.now()))
        assert world.state("ok") == world.state("slow") == "awaiting_approval"
        again = Scheduler(world.store, world.broker, world.clock, world, run=1, lease=LEASE)
        world.tasks.append(asyncio.create_task(again.drive()))
        await world.clock.advance(0.1)
        assert (world.state("ok"), world.state("slow")) == ("succeeded", "timed_out")
        assert world.at_work() == ["b"]
        await world.end("b")


async def test_a_retry_keeps_what_was_approved_and_asks_again_what_was_not(
    tmp_path: Path,
) -> None:
    steps = [gate("yes"), gate("no"), step("b", "yes", "no")]
    async with World(tmp_path, steps) as world:
        say(world, "yes", reason="fine")
        say(world, "no", yes=False)
        await told(world)
        assert world.run_state() == "failed"
        rows = world.store.transact_now(lambda tx: tx.all_tasks(1))
        retried = world.make(frozenset(range(3)), again(world.plan, world.run, rows).carried)
        kept, asked, blocked = world.store.transact_now(lambda tx: tx.all_tasks(retried.number))
        assert (kept.state, kept.carried_from) == (TaskState.SUCCEEDED, 1)
        assert kept.detail == "approved by alice: fine"
        assert asked.state is TaskState.AWAITING_APPROVAL
        assert blocked.state is TaskState.BLOCKED


async def test_the_mirror_says_what_the_database_says_of_those_who_wait(tmp_path: Path) -> None:
    steps = [gate("ok", timeout=HOUR), gate("ever"), step("a")]
    async with World(tmp_path, steps) as world:
        mirror = world.scheduler.work.mirror
        assert mirror is not None
        say(world, "ok")
        now = world.clock.now()
        for at in (now, now + 4_000.0):
            theirs = world.store.transact_now(lambda tx, at=at: tx.due(at))
            assert sorted(mirror.due(at)) == sorted(theirs)
        assert [row.key for row in world.store.transact_now(lambda tx: tx.due(now + 4_000.0))
                if row.state is TaskState.AWAITING_APPROVAL] == ["ok"]  # fmt: skip


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, lambda _work: exited(0))
    yield bench
    await bench.close()


async def test_a_scheduler_of_all_runs_treats_people_the_same(bench: Bench) -> None:
    definition = pipeline(gate("ok"), gate("slow", timeout=HOUR), argv_step("a", "ok"))
    run = bench.create(definition)
    bench.drive(run, alone=False)
    await bench.clock.advance(60.0)
    now = bench.clock.now()
    await bench.store.transact(
        lambda tx: record_decision(tx, run.number, Answer("ok", approved=True), ALICE, now)
    )
    await bench.broker.report(Nudge(run.number))
    await bench.clock.advance(1.0)
    assert bench.states(run) == {"ok": "succeeded", "slow": "awaiting_approval", "a": "succeeded"}
    ended = await bench.to_the_end(run, within=4_000.0)
    assert (ended.state.value, bench.task(run, "slow").state.value) == ("failed", "timed_out")


@settings(max_examples=15, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 200)),
        max_size=12,
    )
)
def test_whatever_is_said_in_whatever_order_each_task_has_the_first_answer_in_time(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, bool, bool, int]]
) -> None:
    """Said of which gate, yes or no, whether the driver is told, and how long before."""

    async def play() -> None:
        folder = tmp_path_factory.mktemp("people")
        gates = [gate(f"g{i}", timeout=100_000 * i or None) for i in range(4)]
        async with World(folder, [*gates, step("busy")]) as world:
            started, first = world.clock.now() - 0.1, dict[int, bool]()
            for which, yes, ring, wait in said:
                await world.clock.advance(float(wait))
                in_time = not which or world.clock.now() < started + 100 * which
                try:
                    say(world, f"g{which}", yes=yes)
                except UsageError:
                    assert which in first or not in_time
                else:
                    assert which not in first
                    assert in_time
                    first[which] = yes
                if ring:
                    await told(world)
            await told(world)
            await world.clock.advance(500.0)
            for which in range(4):
                wanted = "succeeded" if first.get(which) else "failed"
                if which not in first:
                    wanted = "timed_out" if which else "awaiting_approval"
                assert world.state(f"g{which}") == wanted

    asyncio.run(play())


def test_a_step_of_a_prompt_reads_what_the_prompt_uses(tmp_path: Path) -> None:
    used = ("get", ("ref", "step", "a"), "n")
    steps = [step("a", outputs=(Output("n", Type("int")),)), gate("ok", "a", prompt=used)]
    world = World(tmp_path, steps)
    assert world.plan.steps[1].reads == {0: frozenset({"n"})}
    script = Step("b", Script(("x", 0), (Variable("V", "raw", used),)), needs=("a",))
    assert World(tmp_path / "b", [steps[0], script]).plan.steps[1].reads == {0: frozenset({"n"})}
