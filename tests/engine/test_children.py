"""Pipelines as steps: runs that are part of other runs, on the virtual clock, driven alone
(with a mirror) and by a scheduler of all runs."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_bench import Bench, pipeline, step, subrun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang.definition import Approval, Definition, Loop, Output, Param, Retry, Step, Type
from tidemill.engine.approvals import Answer, Person, record_decision
from tidemill.engine.takeover import ask_to_cancel, finish_cancelled, take_over
from tidemill.model.messages import Nudge
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.spi import Outcome, Work, exited, lost

ALICE = Person("alice")
FIVE = ("list", tuple(("lit", n) for n in range(5)))
CHECK = pipeline(step("lint"), step("unit", "lint"), name="check")


@pytest.fixture(params=[True, False], ids=["mirrored", "all runs"])
def alone(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, lambda _work: exited(0))
    yield bench
    await bench.close()


def children(bench: Bench, run: RunRow) -> list[RunRow]:
    """All runs that were made for tasks of this one, in their order."""
    numbers = bench.query(f"SELECT number FROM run WHERE parent = {run.number} ORDER BY number")
    return [bench.run(number) for (number,) in numbers]


def fails(*keys: str, times: int = 99) -> Any:
    left = dict.fromkeys(keys, times)

    def ends(work: Work) -> Outcome:
        left[work.step] = left.get(work.step, 0) - 1
        return exited(1 if left[work.step] >= 0 else 0)

    return ends


def gives(n: int) -> Any:
    values = f"n={n}\n".encode()
    return lambda work: exited(0, values=values if work.step == "version" else b"")


def waits(*keys: str) -> Any:
    return lambda work: None if work.step in keys else exited(0)


async def test_a_step_runs_another_pipeline_and_ends_with_it(bench: Bench, alone: bool) -> None:
    caller = pipeline(step("a"), subrun("checks", CHECK, "a"), step("z", "checks"))
    run = bench.create(caller, called=[CHECK])
    bench.drive(run, alone=alone)
    ended = await bench.to_the_end(run)
    assert ended.state is RunState.SUCCEEDED
    (child,) = children(bench, run)
    task = bench.task(run, "checks")
    assert (child.state, child.pipeline) == (RunState.SUCCEEDED, "check")
    assert (child.parent, child.parent_task, child.root) == (*task.ref, run.number)
    assert (task.state, task.child, task.detail) == (
        TaskState.SUCCEEDED,
        child.number,
        f"run {child.number}",
    )
    assert bench.executor.keys() == ["a", "lint", "unit", "z"]
    assert {work.env["TIDE_RUN"] for work in bench.executor.started} == {
        str(run.number),
        str(child.number),
    }


async def test_where_the_run_fails_the_step_fails(bench: Bench, alone: bool) -> None:
    bench.executor.ends = fails("lint")
    run = bench.create(pipeline(subrun("checks", CHECK), step("z", "checks")), called=[CHECK])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    (child,) = children(bench, run)
    task = bench.task(run, "checks")
    assert (task.state, task.detail) == (TaskState.FAILED, f"run {child.number} failed")
    assert bench.task(run, "z").state is TaskState.UPSTREAM_FAILED


async def test_a_second_attempt_keeps_what_succeeded_in_the_first(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = fails("unit", times=1)
    again = subrun("checks", CHECK, retry=Retry(attempts=3, backoff=60_000))
    run = bench.create(pipeline(again), called=[CHECK])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    first, second = children(bench, run)
    assert (first.state, second.state) == (RunState.FAILED, RunState.SUCCEEDED)
    assert (second.retry_of, second.origin) == (first.number, first.number)
    assert bench.executor.keys() == ["lint", "unit", "unit"]
    assert second.created_at - (first.ended_at or 0) >= 60.0
    assert bench.task(run, "checks").attempt == 2


async def test_a_retry_of_the_whole_run_keeps_what_succeeded_below_it(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = fails("unit")
    inner = pipeline(subrun("deep", CHECK), name="inner")
    run = bench.create(pipeline(subrun("checks", inner)), called=[CHECK, inner])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    bench.executor.ends = lambda _work: exited(0)
    again = bench.retry(bench.run(run.number))
    if alone:
        bench.drive(again)
    await bench.broker.report(Nudge(again.number))
    assert (await bench.to_the_end(again)).state is RunState.SUCCEEDED
    assert bench.executor.keys() == ["lint", "unit", "unit"]


async def test_another_argument_makes_a_run_of_its_own(bench: Bench) -> None:
    """What is done again with other values may not keep what was done with these."""
    bench.executor.ends = fails("unit", times=1)
    child = pipeline(step("lint"), step("unit", "lint"), name="c",
                     params=(Param("n", Type("int")),))  # fmt: skip
    call = subrun("checks", child, params={"n": ("ref", "param", "n")})
    caller = pipeline(call, params=(Param("n", Type("int")),))
    run = bench.create(caller, called=[child], params={"n": 1})
    bench.drive(run)
    await bench.to_the_end(run)
    again = bench.retry(bench.run(run.number))
    update = (
        f"UPDATE run SET params = '{{\"n\": 2}}' WHERE number = {again.number} RETURNING number"
    )
    assert bench.query(update) == [(again.number,)]
    bench.drive(again)
    await bench.to_the_end(again)
    (made,) = children(bench, again)
    assert (made.retry_of, made.params) == (None, {"n": 2})


async def test_arguments_come_from_what_steps_put_out(bench: Bench, alone: bool) -> None:
    params = (Param("n", Type("int", low=1, high=3)), Param("s", Type("string"), ("lit", "x")))
    child = pipeline(step("a"), name="c", params=params)
    arguments = {"n": ("get", ("ref", "step", "version"), "n")}
    version = step("version", outputs=(Output("n", Type("int")),))
    run = bench.create(pipeline(version, subrun("c", child, "version", params=arguments)),
                       called=[child])  # fmt: skip
    bench.executor.ends = gives(3)
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    (made,) = children(bench, run)
    assert made.params == {"n": 3, "s": "x"}


async def test_an_argument_that_does_not_fit_fails_the_step_in_words(
    bench: Bench, alone: bool
) -> None:
    child = pipeline(step("a"), name="c", params=(Param("n", Type("int", low=1, high=3)),))
    arguments = {"n": ("get", ("ref", "step", "version"), "n")}
    version = step("version", outputs=(Output("n", Type("int")),))
    run = bench.create(pipeline(version, subrun("c", child, "version", params=arguments)),
                       called=[child])  # fmt: skip
    bench.executor.ends = gives(4)
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    task = bench.task(run, "c")
    assert task.state is TaskState.FAILED
    assert task.detail.startswith("param n of c: ")
    assert children(bench, run) == []


async def test_a_run_in_which_nothing_is_to_be_done_ends_at_once(bench: Bench, alone: bool) -> None:
    idle = pipeline(step("a", when=("lit", False)), name="idle")
    nested = pipeline(subrun("i", idle), name="nested")
    run = bench.create(pipeline(subrun("n", nested), step("z", "n")), called=[idle, nested])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.executor.keys() == ["z"]


async def test_one_slot_is_enough_however_deep_it_goes(bench: Bench, alone: bool) -> None:
    called = [CHECK]
    for depth in range(6):
        called.append(pipeline(subrun("down", called[-1]), name=f"p{depth}"))
    *below, top = called
    run = bench.create(top, called=below)
    bench.drive(run, slots=1, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.executor.keys() == ["lint", "unit"]


async def test_no_more_runs_than_the_step_allows_go_on_at_a_time(bench: Bench, alone: bool) -> None:
    one = pipeline(step("a"), name="one")
    wide = subrun("w", one, loop=Loop(("x",), FIVE), max_parallel=2)
    run = bench.create(pipeline(wide), called=[one])
    most = 0

    def check() -> None:
        nonlocal most
        states = [task.state for task in bench.seen.tasks.values() if task.run == run.number]
        most = max(most, states.count(TaskState.DELEGATED))

    bench.seen.check = check
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert most == 2
    assert len(children(bench, run)) == 5


def items(count: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", n) for n in range(count))))


async def test_runs_are_begun_only_as_work_gets_short(bench: Bench, alone: bool) -> None:
    run = bench.create(pipeline(subrun("w", CHECK, loop=items(60))), called=[CHECK])
    most = 0

    def check() -> None:
        nonlocal most
        states = [task.state for task in bench.seen.tasks.values() if task.run == run.number]
        most = max(most, states.count(TaskState.DELEGATED))

    bench.seen.check = check
    bench.drive(run, slots=1, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert len(children(bench, run)) == 60
    assert most < 30


async def test_runs_that_wait_hinder_no_others_however_many(bench: Bench, alone: bool) -> None:
    asks = pipeline(Step("ok", Approval(("lit", "Ship?"))), name="asks")
    many = subrun("w", asks, loop=items(250))
    run = bench.create(pipeline(many, subrun("z", CHECK)), called=[asks, CHECK])
    bench.drive(run, slots=1, alone=alone)
    await bench.clock.advance(1.0)
    assert len(children(bench, run)) == 251
    assert bench.task(run, "z").state is TaskState.SUCCEEDED


async def test_who_cancels_a_run_cancels_all_that_is_below_it(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("lint")
    inner = pipeline(subrun("deep", CHECK), name="inner")
    run = bench.create(pipeline(subrun("checks", inner), step("z", "checks")),
                       called=[CHECK, inner])  # fmt: skip
    bench.drive(run, alone=alone)
    await bench.clock.advance(1.0)
    assert bench.task(run, "checks").state is TaskState.DELEGATED
    await bench.cancel(run)
    assert (await bench.to_the_end(run)).state is RunState.CANCELLED
    (child,) = children(bench, run)
    (below,) = children(bench, child)
    assert (child.state, below.state) == (RunState.CANCELLED, RunState.CANCELLED)
    assert bench.states(run) == {"checks": "cancelled", "z": "cancelled"}
    assert bench.states(below) == {"lint": "cancelled", "unit": "cancelled"}


async def test_who_cancels_the_run_of_a_step_alone_fails_the_step(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("lint")
    run = bench.create(pipeline(subrun("checks", CHECK), step("other")), called=[CHECK])
    bench.drive(run, alone=alone)
    await bench.clock.advance(1.0)
    (child,) = children(bench, run)
    await bench.store.transact(lambda tx: ask_to_cancel(tx, child.number, bench.clock.now()))
    await bench.broker.report(Nudge(run.number))
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    task = bench.task(run, "checks")
    assert (task.state, task.detail) == (TaskState.FAILED, f"run {child.number} was cancelled")
    assert bench.task(run, "other").state is TaskState.SUCCEEDED


async def test_a_run_that_takes_longer_than_the_step_may_is_stopped_before_the_next_begins(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("lint")
    inner = pipeline(subrun("deep", CHECK), name="inner")
    slow = subrun("checks", inner, timeout=100_000, retry=Retry(attempts=2, backoff=5_000))
    run = bench.create(pipeline(slow), called=[CHECK, inner])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    first, second = children(bench, run)
    assert (first.state, second.state) == (RunState.CANCELLED, RunState.CANCELLED)
    assert [below.state for below in children(bench, first)] == [RunState.CANCELLED]
    assert 100 <= (first.ended_at or 0) - first.created_at < 120
    assert second.created_at >= (first.ended_at or 0) + 5
    task = bench.task(run, "checks")
    assert task.state is TaskState.TIMED_OUT
    assert task.detail == f"run {second.number} took longer than the timeout"


async def test_a_run_below_waits_for_people_as_any_run(bench: Bench, alone: bool) -> None:
    asks = pipeline(Step("ok", Approval(("lit", "Ship?"))), step("a", "ok"), name="asks")
    run = bench.create(pipeline(subrun("c", asks)), called=[asks])
    bench.drive(run, alone=alone)
    await bench.clock.advance(500.0)
    (child,) = children(bench, run)
    assert bench.task(child, "ok").state is TaskState.AWAITING_APPROVAL
    answer, now = Answer("ok", approved=True), bench.clock.now()
    await bench.store.transact(lambda tx: record_decision(tx, child.number, answer, ALICE, now))
    await bench.broker.report(Nudge(run.number if alone else child.number))
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED


async def test_what_died_goes_on_with_the_runs_that_were_begun(bench: Bench) -> None:
    bench.executor.ends = waits("unit")
    run = bench.create(pipeline(subrun("checks", CHECK)), called=[CHECK])
    bench.drive(run)
    await bench.clock.advance(1.0)
    bench.stop()
    now = bench.clock.now()
    row = bench.store.transact_now(lambda tx: take_over(tx, run.number, now))
    assert row.state is RunState.RUNNING
    (child,) = children(bench, run)
    assert bench.states(child) == {"lint": "succeeded", "unit": "ready"}
    bench.executor.ends = lambda _work: exited(0)
    bench.drive(run)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.executor.keys() == ["lint", "unit", "unit"]
    assert len(children(bench, run)) == 1


async def test_what_died_while_it_was_being_cancelled_ends_with_all_below_it(bench: Bench) -> None:
    bench.executor.ends = waits("lint")
    run = bench.create(pipeline(subrun("checks", CHECK)), called=[CHECK])
    bench.drive(run)
    await bench.clock.advance(1.0)
    bench.stop()
    now = bench.clock.now()
    bench.store.transact_now(lambda tx: ask_to_cancel(tx, run.number, now))
    row = bench.store.transact_now(lambda tx: finish_cancelled(tx, run.number, now))
    (child,) = children(bench, run)
    assert (row.state, child.state) == (RunState.CANCELLED, RunState.CANCELLED)
    assert bench.states(child) == {"lint": "cancelled", "unit": "cancelled"}


# --- whatever happens ------------------------------------------------------------------


@st.composite
def families(draw: st.DrawFn) -> list[Definition]:
    """Pipelines, each of which may run those before it; the last is the one to run."""
    made: list[Definition] = []
    for level in range(draw(st.integers(1, 4))):
        steps: list[Step] = []
        for i in range(draw(st.integers(1, 3))):
            needs = tuple(s.name for s in steps if draw(st.booleans()))
            name, common = f"p{level}s{i}", {
                "retry": Retry(attempts=draw(st.integers(1, 2)), backoff=1_000),
                "allow_failure": draw(st.booleans()),
                "when": draw(st.sampled_from([None, None, None, ("lit", False)])),
                "loop": draw(st.sampled_from([None, None, Loop(("x",), ("list", FIVE[1][:2]))])),
            }  # fmt: skip
            timeout = draw(st.sampled_from([None, None, 2_000]))
            steps.append(
                subrun(name, draw(st.sampled_from(made)), *needs, timeout=timeout, **common)
                if made and draw(st.integers(0, 2)) > 0
                else step(name, *needs, **common)
            )
        limit = draw(st.sampled_from([None, None, 1]))
        made.append(pipeline(*steps, name=f"p{level}", max_parallel=limit))
    return made


CANCELLED = {RunState.CANCELLING, RunState.CANCELLED}


def check_family(bench: Bench) -> None:
    """Every task that was handed over has ended as its run has, and is not without one."""
    tasks: dict[tuple[int, int], TaskRow] = {}
    numbers = [number for (number,) in bench.query("SELECT number FROM run ORDER BY number")]
    for number in numbers:
        for task in bench.rows(number):
            tasks[task.ref] = task
    fates = {
        RunState.SUCCEEDED: {TaskState.SUCCEEDED},
        RunState.FAILED: {TaskState.FAILED},
        RunState.CANCELLED: {TaskState.FAILED, TaskState.TIMED_OUT, TaskState.CANCELLED},
    }
    for number in numbers:
        row = bench.run(number)
        if row.parent is None or row.parent_task is None:
            continue
        parent = tasks[row.parent, row.parent_task]
        if parent.child != number:
            assert row.state.ended, "two runs for one task go on at a time"
        elif row.state.ended:
            ends = fates[row.state] | {TaskState.READY}
            if row.state is RunState.FAILED and bench.run(row.parent).state in CANCELLED:
                ends.add(TaskState.CANCELLED)  # in such a run no step fails any more
            assert parent.state in ends
        else:
            assert parent.state is TaskState.DELEGATED
    for task in tasks.values():
        assert task.state is not TaskState.DELEGATED or task.child is not None


async def play(folder: Path, made: list[Definition], seed: int, *, alone: bool) -> None:
    rolls = random.Random(seed)  # noqa: S311 - not for secrets

    def ends(work: Work) -> Outcome | None:
        del work
        roll = rolls.random()
        if roll < 0.05:
            return lost("contact was lost")
        return None if roll < 0.15 else exited(int(roll < 0.35))

    bench = Bench(folder, ends)
    bench.seen.check = lambda: check_family(bench)
    try:
        run = bench.create(made[-1], called=made[:-1])
        if not run.state.ended:
            bench.drive(run, slots=2, alone=alone)
            await bench.clock.advance(rolls.choice([0.5, 3.0, 20.0]))
            if not bench.run(run.number).state.ended:
                bench.executor.ends = lambda _work: exited(0)
                for work in list(bench.executor.at_work.values()):
                    bench.executor._end(work.id, exited(0))  # noqa: SLF001
                if rolls.random() < 0.3:
                    await bench.cancel(run)
                run = await bench.to_the_end(run)
        check_family(bench)
        rows = [row for (n,) in bench.query("SELECT number FROM run") for row in bench.rows(n)]
        assert all(row.state.ended for row in rows)
        assert all(bench.run(n).state.ended for (n,) in bench.query("SELECT number FROM run"))
    finally:
        await bench.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow],
          database=None)  # fmt: skip
@given(families(), st.integers(0, 10_000), st.booleans())
def test_every_family_ends_and_no_task_is_ever_without_its_run(
    made: list[Definition], seed: int, alone: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), made, seed, alone=alone))
