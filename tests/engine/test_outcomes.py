"""Limits that lose no time, runs that are decided early, and long cascades."""

from __future__ import annotations

from engine_bench import Bench, pipeline, step

from tidelang.definition import Argv, Loop, Output, Step, Type
from tidemill.model.states import RunState
from tidemill.spi import ArgvAction, exited

TEXT = Type("string")


def over(*items: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", item) for item in items)))


async def test_a_fan_out_never_exceeds_its_limit_and_loses_no_time(bench: Bench) -> None:
    run = bench.create(pipeline(step("f", loop=over(1, 2, 3, 4, 5, 6, 7), max_parallel=2)))
    bench.drive(run)
    begun = bench.clock.now()
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.seen.most_at_work == 2
    assert bench.clock.now() - begun < 1


async def test_a_limit_of_the_pipeline_holds_across_steps(bench: Bench) -> None:
    run = bench.create(pipeline(*[step(f"s{i}") for i in range(6)], max_parallel=1))
    bench.drive(run)
    begun = bench.clock.now()
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.seen.most_at_work == 1
    assert bench.clock.now() - begun < 1


async def test_a_skip_is_passed_on(bench: Bench) -> None:
    run = bench.create(
        pipeline(step("a", when=("lit", False)), step("b", "a"), step("c"), step("d", "b", "c"))
    )
    bench.drive(run)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.states(run) == {"a": "skipped", "b": "skipped", "c": "succeeded", "d": "skipped"}


async def test_a_run_that_is_all_decided_when_it_is_made_has_ended(bench: Bench) -> None:
    skipped = bench.create(pipeline(step("a", when=("lit", False)), step("b", "a")))
    assert skipped.state is RunState.SUCCEEDED
    assert skipped.started_at is not None
    assert skipped.ended_at is not None
    assert bench.run(skipped.number) == skipped
    assert bench.create(pipeline(step("f", loop=over()))).state is RunState.SUCCEEDED


async def test_the_outputs_of_a_fan_out_are_gathered_in_order(bench: Bench) -> None:
    bench.executor.ends = lambda work: exited(
        0, values=f"v={work.step}\n".encode() if "[" in work.step else b""
    )
    gathered = ("get", ("ref", "step", "f"), "v")
    last = Step("g", Argv((("lit", "echo"), gathered)), needs=("f",))
    run = bench.create(pipeline(step("f", loop=over(3, 1, 2), outputs=(Output("v", TEXT),)), last))
    bench.drive(run)
    await bench.to_the_end(run)
    action = bench.executor.started[-1].action
    assert isinstance(action, ArgvAction)
    assert action.argv == ("echo", "f[3]", "f[1]", "f[2]")


async def test_a_cascade_of_3000_skips_ends_in_the_making(bench: Bench) -> None:
    chain = [step(f"s{i}", f"s{i - 1}") for i in range(1, 3_000)]
    run = bench.create(pipeline(step("s0", when=("lit", False)), *chain))
    assert run.state is RunState.SUCCEEDED
    assert set(bench.states(run).values()) == {"skipped"}


async def test_a_cascade_behind_a_failure_ends_in_one_transaction(bench: Bench) -> None:
    bench.executor.ends = lambda _: exited(1)
    chain = [step(f"s{i}", f"s{i - 1}") for i in range(1, 1_000)]
    run = bench.create(pipeline(step("s0"), *chain))
    bench.drive(run)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    ends = bench.query("select distinct ended_at from task")
    assert len(ends) == 1
    assert list(bench.states(run).values()).count("upstream_failed") == 999
