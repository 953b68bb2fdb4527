"""What a scheduler remembers of runs has a bound."""

from __future__ import annotations

from pathlib import Path

from turns_bench import Bench, step


def test_runs_that_others_have_ended_are_forgotten_in_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slots=2)
    bench.turns.most_plans = 4
    going = bench.make(step("a"))
    bench.work()
    for number in range(30):  # no slot is left, so that they wait
        bench.make(step("a", priority="low"), name=f"p{number}")
    assert len(bench.turns.plans) <= 2 * (bench.turns.most_plans + 1)
    assert going not in bench.turns.plans
    for _ in range(31):
        bench.end()
        bench.work()
    assert len(bench.begun) == 31
