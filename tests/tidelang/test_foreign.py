"""A Python function becomes one of the language by its annotations, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from tidelang import bounds, finding
from tidelang.bounds import EvaluationError
from tidelang.evaluate import Scope, evaluate
from tidelang.foreign import arguments_of, made
from tidelang.types import show
from tidelang.values import Duration, Value


def every(
    text: str,
    count: int,
    share: float,
    on: bool,
    items: list[str],
    table: dict[str, list[int]],
    whatever: Any,
    mode: Literal["fast", "safe"],
    loose: list,  # type: ignore[type-arg]
    maybe: str | None = None,
    *,
    last: int = 3,
) -> dict[str, Any]:
    """What it does.

    And more of it."""
    raise NotImplementedError


def call(function: Callable[..., Any], *values: Value, **named: Value) -> Value:
    run = made("f", function, "", "dist 1.0").run
    assert run is not None
    return run(*values, **named)


def test_annotations_are_types() -> None:
    function = made("f", every, "", "dist 1.0")
    assert {name: show(each) for name, each in function.takes} == {
        "text": "string", "count": "int", "share": "float", "on": "bool", "items": "list(string)",
        "table": "map(list(int))", "whatever": "any", "mode": '"fast" | "safe"', "loose": "list",
        "maybe": "string", "last": "int",
    }  # fmt: skip
    assert isinstance(function.gives, type(function.takes[0][1]))
    assert show(function.result(())) == "map"
    assert (function.least, function.nullable) == (9, {"maybe"})
    assert (function.doc, function.origin) == ("What it does.", "dist 1.0")


def no_result(a: int): ...  # type: ignore[no-untyped-def]
def no_annotation(a) -> int: ...  # type: ignore[no-untyped-def, empty-body]
def odd(a: bytes) -> int: ...  # type: ignore[empty-body]
def odd_result(a: int) -> set[int]: ...  # type: ignore[empty-body]
def several(a: int | str) -> int: ...  # type: ignore[empty-body]
def rest(*a: int) -> int: ...  # type: ignore[empty-body]
def placed(a: int, /) -> int: ...  # type: ignore[empty-body]
def keyed(a: dict[int, str]) -> int: ...  # type: ignore[empty-body]
def unknown(a: NoSuchName) -> int: ...  # type: ignore[name-defined, empty-body]  # noqa: F821
def numbers(a: Literal[1, 2]) -> int: ...  # type: ignore[empty-body]
def behind(a: int = 1, *, b: int) -> int: ...  # type: ignore[empty-body]
async def later(a: int) -> int: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_result, "does not say by an annotation what it returns"),
        (no_annotation, "parameter a of function f has no annotation"),
        (odd, "parameter a of function f is annotated as bytes; there are str, int,"),
        (odd_result, "what function f returns is annotated as set"),
        (several, "annotated as int | str"),
        (rest, "parameter a of function f cannot be given by its name"),
        (placed, "parameter a of function f cannot be given by its name"),
        (keyed, "annotated as dict[int, str]"),
        (unknown, "the annotations of function f cannot be read: name 'NoSuchName'"),
        (numbers, "annotated as typing.Literal[1, 2]"),
        (behind, "needs a parameter behind one that may be left out"),
        (later, "is a coroutine function"),
    ],
)
def test_what_cannot_be_a_function_of_the_language_says_why(
    function: Callable[..., Any], said: str
) -> None:
    with pytest.raises(TypeError, match="function f") as caught:
        made("f", function, "", "")
    assert said in str(caught.value)


def test_arguments_and_results_are_what_the_annotations_say() -> None:
    def f(share: float, items: list[str], maybe: str | None) -> list[Any]:
        return [share, type(share).__name__, (items, maybe)]

    assert call(f, 3, ["a"], None) == [3.0, "float", [["a"], None]]


def test_a_function_cannot_change_what_it_is_given() -> None:
    def f(items: list[Any]) -> int:
        items[0].append(2)
        items.clear()
        return 0

    given: list[Value] = [[1]]
    call(f, given)
    assert given == [[1]]


def _raising(error: BaseException) -> Callable[..., Any]:
    def f() -> int:
        raise error

    return f


def _giving(value: Any, what: Any = Any) -> Callable[..., Any]:
    def f() -> Any:
        return value

    f.__annotations__["return"] = what
    return f


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_raising(ValueError("no such\n colour")), "`f` of dist 1.0: no such colour"),
        (_raising(KeyError("x")), "`f` of dist 1.0 failed: KeyError: 'x'"),
        (_raising(SystemExit(3)), "`f` of dist 1.0 failed: SystemExit: 3"),
        (_raising(MemoryError()), "`f` of dist 1.0 failed: MemoryError"),
        (_giving(7, str), "gave something wrong: expected a string, not 7"),
        (_giving(None, str), "gave something wrong: expected a string, not"),
        (_giving(["a", 7], list[str]), "gave something wrong: item 2: expected a string, not 7"),
        (_giving(b"x"), "gave something wrong: a value of type bytes"),
        (_giving({1: 2}), "gave something wrong: a value of type dict"),
        (_giving(float("nan")), "gave something wrong: nan is no number"),
        (_giving(1 << 63), "gave something wrong: a whole number is larger than 64 bits"),
        (_giving("x" * (bounds.MAX_TEXT + 1)), "a text is longer than 1,048,576 characters"),
        (_giving("x" * 50_000_000), "a text is longer than 1,048,576 characters"),
        (_giving([[0] * 60_000] * 2), "`f` of dist 1.0 gave more than 100,000 items"),
        (_giving(LOOP), "`f` of dist 1.0 gave more than 100,000 items"),
    ],
)
def test_whatever_a_function_does_is_one_sentence(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        call(function)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", ["x", Duration(5), True, [1], None])
def test_an_argument_that_is_known_only_late_is_checked_then(value: Value) -> None:
    def f(count: int) -> int:
        return count

    with pytest.raises(EvaluationError) as caught:
        call(f, value)
    assert "`f` of dist 1.0, `count`: expected a whole number" in caught.value.message


def test_what_is_left_out_in_the_middle_has_the_functions_own_default() -> None:
    assert arguments_of(["a", None, "c"], ["x", "y", "z"]) == (["a"], {"z": "c"})
    assert arguments_of(["a", "b"], ["x", "y", "z"]) == (["a", "b"], {})


def test_a_process_without_the_plugin_says_which_function_of_which_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "_provided", [])
    with pytest.raises(EvaluationError) as caught:
        evaluate(("foreign", "slug", "tide-web", (), ()), Scope())
    said = "function `slug` of tide-web is not installed where this is worked out"
    assert caught.value.message == said
