"""How a run goes on: order, limits, conditions, outputs."""

from __future__ import annotations

from pathlib import Path

from engine_world import World, step

from tidelang.definition import Loop, Output, Script, Step, Type, Variable
from tidemill.model.rows import StageRef


async def test_a_step_starts_when_all_it_needs_has_succeeded(tmp_path: Path) -> None:
    steps = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")]
    async with World(tmp_path, steps) as world:
        assert world.at_work() == ["a"]
        await world.end("a")
        assert world.at_work() == ["b", "c"]
        await world.end("b")
        assert world.at_work() == ["c"]
        await world.end("c")
        assert world.at_work() == ["d"]
        await world.end("d")
        assert world.run_state() == "succeeded"


async def test_no_more_than_the_slots_are_at_work(tmp_path: Path) -> None:
    async with World(tmp_path, [step(f"s{i}") for i in range(10)], slots=3) as world:
        for left in range(10, 0, -1):
            assert len(world.at_work()) == min(3, left)
            await world.end(world.at_work()[0])
        assert world.run_state() == "succeeded"


async def test_a_fan_out_keeps_to_its_own_limit_and_others_pass_it(tmp_path: Path) -> None:
    wide = step(
        "w", loop=Loop(("v",), ("list", tuple(("lit", i) for i in range(5)))), max_parallel=2
    )
    async with World(tmp_path, [wide, step("z")], slots=8) as world:
        assert world.at_work() == ["w[0]", "w[1]", "z"]
        await world.end("w[0]")
        assert world.at_work() == ["w[1]", "w[2]", "z"]


async def test_a_pipeline_keeps_to_its_limit(tmp_path: Path) -> None:
    async with World(tmp_path, [step(f"s{i}") for i in range(5)], slots=8, max_parallel=2) as world:
        assert len(world.at_work()) == 2


async def test_what_needs_a_failed_step_does_not_run_and_says_why(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a"), step("b", "a"), step("c", "b"), step("x")]) as world:
        await world.end("a", code=3)
        assert [world.state(key) for key in "abc"] == ["failed"] + 2 * ["upstream_failed"]
        assert world.row("b").detail == "a failed"
        assert world.row("c").detail == "b did not run"
        assert world.run_state() == "running"
        await world.end("x")
        assert world.run_state() == "failed"


async def test_an_allowed_failure_lets_the_run_go_on_and_succeed(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", allow_failure=True), step("b", "a")]) as world:
        await world.end("a", code=1)
        await world.end("b")
        assert (world.state("a"), world.run_state()) == ("failed", "succeeded")


async def test_a_false_condition_skips_a_step_and_what_needs_it(tmp_path: Path) -> None:
    steps = [step("a", when=("lit", False)), step("b", "a"), step("c")]
    async with World(tmp_path, steps) as world:
        assert (world.state("a"), world.state("b")) == ("skipped", "skipped")
        await world.end("c")
        assert world.run_state() == "succeeded"


async def test_a_condition_on_states_decides_alone(tmp_path: Path) -> None:
    mend = step("mend", "a", when=("state", "failed", "a"), when_decides=True)
    ship = step("ship", "a", when=("state", "succeeded", "a"), when_decides=True)
    async with World(tmp_path, [step("a"), mend, ship]) as world:
        await world.end("a", code=1)
        assert world.at_work() == ["mend"]
        assert world.state("ship") == "skipped"
        await world.end("mend")
        assert world.run_state() == "failed"


async def test_outputs_reach_the_steps_that_use_them(tmp_path: Path) -> None:
    counted = Output("n", Type("int"))
    make = step("make", outputs=(counted,), loop=Loop(("v",), ("list", (("lit", 1), ("lit", 2)))))
    use = Step(
        "use",
        Script(("echo $TIDE_V0",), (Variable("TIDE_V0", "value",
               ("call", "sum", (("get", ("ref", "step", "make"), "n"),), ())),)),
        needs=("make",),
    )  # fmt: skip
    async with World(tmp_path, [make, use]) as world:
        await world.end("make[1]", values=b"n=40\n")
        await world.end("make[2]", values=b"n=2\n")
        assert world.executor.started["use"][0].work.env["TIDE_V0"] == "42"


async def test_an_output_of_the_wrong_type_fails_the_step_in_words(tmp_path: Path) -> None:
    async with World(tmp_path, [step("a", outputs=(Output("n", Type("int")),))]) as world:
        await world.end("a", values=b"n=many\n")
        assert world.state("a") == "failed"
        assert "n" in world.row("a").detail
        assert "many" in world.row("a").detail


async def test_a_value_that_is_missing_fails_the_step_that_needs_it(tmp_path: Path) -> None:
    made = step("a", outputs=(Output("n", Type("int")),), allow_failure=True)
    use = step("b", "a", env=(("N", ("get", ("ref", "step", "a"), "n")),))
    async with World(tmp_path, [made, use]) as world:
        await world.end("a", code=1)
        assert world.state("b") == "failed"
        assert "env N" in world.row("b").detail
        assert world.run_state() == "failed"


async def test_a_deep_cascade_ends_in_one_turn(tmp_path: Path) -> None:
    steps = [step("s0"), *(step(f"s{i}", f"s{i - 1}") for i in range(1, 2_000))]
    async with World(tmp_path, steps) as world:
        await world.end("s0", code=1)
        assert world.state("s1999") == "upstream_failed"
        assert world.run_state() == "failed"


async def test_the_mirror_says_what_the_database_says(tmp_path: Path) -> None:
    steps = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")]
    async with World(tmp_path, steps, slots=1) as world:
        refs = [StageRef(1, index) for index in range(4)]
        for key in "abc":
            await world.end(key, code=1 if key == "c" else 0)
            kept = world.scheduler.work.mirror
            assert kept is not None
            tasks = world.store.transact_now(lambda tx: tx.all_tasks(1))
            stages = world.store.transact_now(lambda tx: tx.stages(refs))
            assert kept.all_tasks(1) == tasks
            assert sorted(kept.stages(refs)) == sorted(stages)


async def test_a_condition_reads_outputs_of_the_very_results_that_freed_it(tmp_path: Path) -> None:
    made = step(
        "a",
        outputs=(Output("n", Type("int")),),
        loop=Loop(("v",), ("list", (("lit", 1), ("lit", 2)))),
    )
    total = ("call", "sum", (("get", ("ref", "step", "a"), "n"),), ())
    use = step("b", "a", when=("op", "==", total, ("lit", 3)))
    async with World(tmp_path, [made, use]) as world:
        for key, values in (("a[1]", b"n=1\n"), ("a[2]", b"n=2\n")):
            world.executor.started[key][0].end(0, values)
        await world.clock.advance(0.1)
        assert world.at_work() == ["b"]
