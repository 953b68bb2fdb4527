"""How long a run is expected to take, and what may wait in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.model.expected import ways
from tidemill.model.plan import Plan, make_plan


def step(name: str, *needs: str, limit: int | None = None, items: int = 0) -> Step:
    listed = ("list", tuple(("lit", each) for each in range(items)))
    loop = Loop(("x",), listed) if items else None
    return Step(name, Argv((("lit", "true"),)), needs=needs, loop=loop, max_parallel=limit)


def plan(*steps: Step) -> Plan:
    return make_plan(Definition("p", steps=steps), {})


def test_what_is_on_the_longest_way_has_no_slack() -> None:
    found = ways(
        plan(step("a"), step("long", "a"), step("short", "a"), step("end", "long", "short")),
        {"a": 5, "long": 100, "short": 30, "end": 1},
    )
    assert found.total == 106
    assert [found.slack(i) for i in range(4)] == [0, 0, 70, 0]
    assert found.before == (0, 5, 5, 105)
    assert found.after == (106, 101, 31, 1)


def test_a_step_without_a_history_counts_as_is_said() -> None:
    assert ways(plan(step("a"), step("b", "a")), {"a": 2}, unknown=3).total == 5


def test_a_fan_out_takes_as_many_rounds_as_its_limit_makes() -> None:
    assert ways(plan(step("a", items=10)), {"a": 2}).total == 2
    assert ways(plan(step("a", items=10, limit=4)), {"a": 2}).total == 6


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Plan, dict[str, float]]:
    steps: list[Step] = []
    for index in range(draw(st.integers(1, 9))):
        earlier = [each.name for each in steps]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        steps.append(step(f"s{index}", *needs))
    shuffled = draw(st.permutations(steps))
    return plan(*shuffled), {each.name: draw(st.integers(0, 50)) for each in steps}


@given(graphs())
def test_ways_are_those_that_trying_all_of_them_finds(drawn: tuple[Plan, dict[str, float]]) -> None:
    graph, seconds = drawn

    def longest(index: int) -> float:
        step = graph.steps[index]
        return seconds[step.step.name] + max(map(longest, step.dependents), default=0)

    found = ways(graph, seconds)
    assert list(found.after) == [longest(index) for index in range(len(graph.steps))]
    for index, planned in enumerate(graph.steps):
        slack = found.slack(index)
        late = dict(seconds)
        late[planned.step.name] += slack
        assert ways(graph, late).total == found.total
        late[planned.step.name] += 1
        assert ways(graph, late).total > found.total
