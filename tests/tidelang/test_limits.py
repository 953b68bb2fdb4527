"""Limits: each has an error of its own, and nothing a file holds takes long or recurses."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest
from time_growth import grows_no_faster

from tidelang import limits
from tidelang.compiler import Compilation, NoPlugins, compile_source
from tidelang.limits import CHAIN
from tidelang.parser import parse
from tidelang.runtime import reading
from tidelang.source import Source


def codes(text: str) -> list[str]:
    return [d.code for d in parse(Source("a", text)).diagnostics]


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("[", "]"), ("{ a = ", "}"), ('"{{ ', ' }}"')]
)
def test_nesting_has_a_limit(opening: str, closing: str) -> None:
    fine = limits.BRACKETS - 1
    assert codes(f"a = {opening * fine}1{closing * fine}\n") == []
    for many in (limits.BRACKETS + 1, 20_000):
        assert codes(f"a = {opening * many}1{closing * many}\n") == ["T091"]
        assert codes(f"a = {opening * many}\n") in (["T091"], ["T091", "T091"])


@pytest.mark.parametrize("text", ["1" + " + 1" * 5000, "not " * 5000 + "a", "a" + ".b" * 5000,
                                  "a" + "()" * 5000, "-" * 5000 + "1", "a" + " | f" * 5000,
                                  "1 if a else " * 5000 + "1"])  # fmt: skip
def test_one_expression_has_a_limit(text: str) -> None:
    assert codes(f"let a = {text}\n") == ["T094"]


def test_a_long_list_is_no_deep_expression() -> None:
    assert codes("let a = [" + "b.c + 1, " * 20_000 + "]\n") == []


def test_a_string_a_file_and_its_items_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes('let a = "' + "x\\n" * limits.STRING_CHARACTERS + '"\n') == ["T092"]
    assert codes("#" * (limits.FILE_BYTES + 1)) == ["T090"]
    monkeypatch.setattr("tidelang.lexing.layout.ITEMS", 10)
    assert codes("a = 1\n" * 11) == ["T093"]


def test_after_a_hundred_mistakes_no_more_are_told() -> None:
    told = codes("a: 1\n" * 50_000)
    assert told == ["T010"] * limits.MISTAKES + ["T095"]


@pytest.mark.parametrize(
    "piece",
    ["{", "}", "(", ")", '"', '"""', "'", '"{{', "{{", "a = 1 b\n", "step\n", "[a\n", "a ", "- ",
     '"{{ "', "/*", "\\", "x = [\n"],
)  # fmt: skip
def test_the_time_grows_no_faster_than_the_file(piece: str) -> None:
    assert grows_no_faster(lambda count: parse(Source("a", piece * count)), 3_000)


def _below(depth: int, work: Callable[[], Compilation]) -> Compilation:
    return work() if depth == 0 else _below(depth - 1, work)


def test_the_settings_of_the_process_are_those_of_before_when_the_last_of_two_has_read() -> None:
    """Whoever begins first may end first: the other one still needs the room."""
    before = gc.isenabled(), sys.getrecursionlimit()
    first, second = reading(), reading()
    first.__enter__()
    second.__enter__()
    within = gc.isenabled(), sys.getrecursionlimit()
    first.__exit__(None, None, None)
    assert (gc.isenabled(), sys.getrecursionlimit()) == within != before
    second.__exit__(None, None, None)
    assert (gc.isenabled(), sys.getrecursionlimit()) == before


@pytest.mark.parametrize(
    "row",
    [
        '"a"' + " | upper" * (CHAIN - 1),
        "x" + ".b" * (CHAIN - 1),
        "1 + " * (CHAIN - 1) + "1",
        "not " * (CHAIN - 1) + "true",
        "1 if true else " * (CHAIN - 1) + "2",
    ],
    ids=["pipes", "members", "sums", "negations", "conditions"],
)
def test_the_longest_expressions_are_read_however_deep_the_caller_is(row: str) -> None:
    source = Source("x.tide", f"let x = {row}\n")
    depth = sys.getrecursionlimit()
    found = _below(depth - 200, lambda: compile_source(source, NoPlugins()))
    assert "T094" not in {told.code for told in found.diagnostics}
    assert sys.getrecursionlimit() == depth
