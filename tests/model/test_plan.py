"""Laying out a run: keys, order, and what takes part."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.errors import UsageError
from tidemill.model.plan import Plan, make_plan
from tidemill.model.requests import Selection
from tidemill.model.selection import outputs_wanted, select


def step(name: str, *needs: str, **fields: object) -> Step:
    return Step(name, Argv((("lit", name),)), needs=needs, **fields)  # type: ignore[arg-type]


def over(*items: object, names: tuple[str, ...] = ("x",)) -> Loop:
    return Loop(names, ("list", tuple(("lit", item) for item in items)))


def plan(*steps: Step) -> Plan:
    return make_plan(Definition("p", steps=steps), {})


def keys(of: Plan, chosen: frozenset[int]) -> list[str]:
    return [of.instance(ordinal).key for ordinal in sorted(chosen)]


DIAMOND = plan(
    step("top"), step("left", "top", loop=over(1, 2)), step("right", "top"),
    step("end", "left", "right"), step("apart"),
)  # fmt: skip


def test_each_item_gives_a_task_and_equal_items_get_keys_of_their_own() -> None:
    fan = plan(step("f", loop=over("a", "b", "a", "a\nb")))
    assert keys(fan, frozenset(range(4))) == ["f[a]", "f[b]", "f[a]#2", "f[a?b]"]


def test_a_long_item_is_shortened_in_its_key() -> None:
    (only,) = plan(step("f", loop=over("x" * 500))).steps[0].instances
    assert only.key == f"f[{'x' * 39}…]"


def test_an_item_that_does_not_fit_the_names_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match=r"takes 2 values apiece \(a, b\)"):
        plan(step("f", loop=over("x", names=("a", "b"))))


def test_more_tasks_than_a_run_may_have_are_refused() -> None:
    items = ("call", "range", (("lit", 60_000),), ())
    wide = [step(name, loop=Loop(("x",), items)) for name in ("f", "g")]
    with pytest.raises(UsageError, match="more than 100000 tasks"):
        plan(*wide)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(), ["top", "left[1]", "left[2]", "right", "end", "apart"]),
        (Selection(only=("left",)), ["left[1]", "left[2]"]),
        (Selection(only=("left[2]", "apart")), ["left[2]", "apart"]),
        (Selection(start=("left[1]",)), ["left[1]", "end"]),
        (Selection(until=("right",)), ["top", "right"]),
        (Selection(start=("left",), until=("end",)), ["left[1]", "left[2]", "end"]),
    ],
)
def test_a_selection_takes_what_it_says(selection: Selection, chosen: list[str]) -> None:
    assert keys(DIAMOND, select(DIAMOND, selection).ordinals) == chosen


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Selection(only=("rihgt",)), "no step 'rihgt'"),
        (Selection(only=("top",), until=("end",)), "--only takes exactly"),
        (Selection(start=("apart",), until=("top",)), "no step lies in"),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused(selection: Selection, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        select(DIAMOND, selection)


def test_outputs_are_wanted_only_of_what_is_read_and_left_out() -> None:
    reading = step("b", "a", "c", env=(("V", ("get", ("ref", "step", "a"), "v")),))
    both = plan(step("a"), step("c"), reading)
    assert outputs_wanted(both, frozenset({2})) == {0: {"b"}}
    assert outputs_wanted(both, frozenset({0, 2})) == {}


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    """Steps in any order of the file, so that what is needed may stand behind."""
    size = draw(st.integers(1, 12))
    steps = [
        step(f"s{i}", *(f"s{j}" for j in range(i) if draw(st.booleans()))) for i in range(size)
    ]
    return plan(*draw(st.permutations(steps)))


@settings(deadline=None, database=None)
@given(graphs())
def test_no_step_stands_before_one_it_needs(laid_out: Plan) -> None:
    order = [planned.index for planned in laid_out.topological()]
    assert sorted(order) == list(range(len(laid_out.steps)))
    place = {index: at for at, index in enumerate(order)}
    assert all(place[n] < place[s.index] for s in laid_out.steps for n in s.needs)


@settings(deadline=None, database=None)
@given(graphs(), st.data())
def test_from_and_until_are_closed_and_meet_in_their_step(
    laid_out: Plan, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([planned.step.name for planned in laid_out.steps]))
    behind = select(laid_out, Selection(start=(name,))).ordinals
    before = select(laid_out, Selection(until=(name,))).ordinals
    assert keys(laid_out, behind & before) == [name]
    assert all(set(laid_out.steps[i].dependents) <= behind for i in behind)
    assert all(set(laid_out.steps[i].needs) <= before for i in before)
