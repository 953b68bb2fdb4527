"""Expressions give values, within bounds; graphs and suggestions stay cheap."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.graph import Walk
from tidelang.suggest import Names, nearest
from tidelang.values import Duration

_SCOPE = Scope(
    {
        "param": {"xs": [1, 2, 3], "name": "x"},
        "step": {"one": {"out": 4}, "many": [{"out": 1}, {"out": 2}], "none": {}},
    },
    {"one": "succeeded", "many": "timed_out", "none": "upstream_failed"},
)


def _lit(value: object) -> tuple[Any, ...]:
    return ("lit", value)


def _call(name: str, *arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return ("call", name, arguments, ())


_DOUBLE = ("op", "*", ("ref", "loop", "x"), _lit(2))
_LONG = _call("range", _lit(100_000))


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (("get", ("ref", "step", "one"), "out"), 4),
        (("get", ("ref", "step", "many"), "out"), [1, 2]),
        (_call("default", ("get", ("ref", "step", "none"), "out"), _lit(7)), 7),
        (("each", _DOUBLE, ("x",), ("ref", "param", "xs"), None), [2, 4, 6]),
        (("text", (_lit("v"), ("dur", 90_000))), "v1m30s"),
        (("op", "*", ("dur", 1000), _lit(1.5)), Duration(1500)),
        (("op", "==", _lit(1), _lit(True)), False),
        (("op", "in", _lit(True), ("list", (_lit(1),))), False),
        (("state", "failed", "many"), True),
        (("state", "skipped", "none"), True),
        (("state", "done", "one"), True),
        (_call("keys", ("obj", (("b", _lit(1)), ("a", _lit(2))))), ["a", "b"]),
        (_call("range", _lit(0), _lit(None), _lit(1)), []),
        (_call("unique", ("list", (_lit(1), _lit(True), _lit(1)))), [1, True]),
    ],
)  # fmt: skip
def test_an_expression_has_its_value(expr: tuple[Any, ...], value: object) -> None:
    found = evaluate(expr, _SCOPE)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "expr",
    [
        _call("range", _lit(10**9)),
        ("each", _LONG, ("x",), _LONG, None),
        ("each", ("each", _lit(1), ("y",), _LONG, None), ("x",), _LONG, None),
        _call("replace", _lit("a" * 1_000_000), _lit("a"), _lit("b" * 1_000_000)),
        _call("product", _LONG, _LONG),
        ("op", "+", _LONG, _LONG),
        ("op", "*", _lit(2**62), _lit(4)),
        ("op", "*", _lit(1e308), _lit(10.0)),
        ("op", "/", _lit(1), _lit(0)),
        ("get", ("ref", "step", "none"), "out"),
        ("at", ("ref", "param", "xs"), _lit(3)),
        ("op", "and", _lit(1), _lit(True)),
        ("text", (_lit("x"), ("ref", "param", "xs"))),
        _call("upper", _lit(5)),
        _call("sorted", ("list", (_lit(1), _lit("a")))),
    ],
)
def test_what_has_no_value_or_too_large_a_one_is_said_in_words(expr: tuple[Any, ...]) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expr, _SCOPE)
    assert caught.value.message


def test_expressions_that_are_equal_but_not_the_same_keep_their_own_values() -> None:
    one, true = ("list", (_lit(1),)), ("list", (_lit(True),))
    assert one == true
    assert [evaluate(one, _SCOPE), evaluate(true, _SCOPE)] == [[1], [True]]
    assert evaluate(true, _SCOPE) == [True]
    assert isinstance(evaluate(true, _SCOPE)[0], bool)  # type: ignore[index,arg-type]


def test_a_cycle_is_found_once_and_from_its_first_member() -> None:
    walk = Walk({"x": ["b"], "a": ["b"], "b": ["c"], "c": ["a"]})
    assert walk.cycles == [("a", "b", "c", "a")]


def test_an_order_puts_everything_behind_what_it_needs() -> None:
    assert Walk({"c": ["b", "a"], "b": ["a"], "a": []}).order == ["a", "b", "c"]


def test_a_graph_of_nothing_but_circles_takes_linear_time() -> None:
    size = 20_000
    graph = {str(n): [str(n + 1), str(n // 2), "0"] for n in range(size)}
    began = time.process_time()
    walk = Walk(graph)
    assert time.process_time() - began < 5
    assert sum(map(len, walk.cycles)) < 20 * size


def test_near_names_are_found_in_small_and_in_large_sets() -> None:
    assert nearest("biuld", ["build", "test"]) == "build"
    assert nearest("prod", ["staging", "production"]) == "production"
    assert nearest("zzz", ["build", "test"]) is None
    assert Names(f"step_{n}_x" for n in range(20_000)).nearest("stpe_777_x") == "step_777_x"
