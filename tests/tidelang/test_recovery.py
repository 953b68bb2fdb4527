"""Mistakes: all of a file in one run, each once, at its place, with what it takes to mend it."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang import syntax
from tidelang.compiler import NoPlugins, compile_source
from tidelang.diagnostics import Diagnostic
from tidelang.parser import Parsed, parse
from tidelang.parsing.tables import tables
from tidelang.source import Source

Told = list[tuple[str, int, int]]


def told(text: str) -> Told:
    diagnostics = parse(Source("test.tide", text)).diagnostics
    return [(d.code, d.span.first.line, d.span.first.column) for d in diagnostics]


def only(text: str) -> Diagnostic:
    (diagnostic,) = parse(Source("test.tide", text)).diagnostics
    return diagnostic


def mended(text: str) -> str:
    """The text with the fix of its only mistake applied."""
    fix = only(text).fix
    assert fix is not None
    assert fix.span is not None
    assert fix.replacement is not None
    return text[: fix.span.start] + fix.replacement + text[fix.span.end :]


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("a: 1", "a = 1"),
        ("a := 1", "a = 1"),
        ("a == 1", "a = 1"),
        ("when = a = b", "when = a == b"),
        ("lett x = 3", "let x = 3"),
        ("var x = 3", "let x = 3"),
        ("parm x: int = 3", "param x: int = 3"),
        ("stpe x for v in xs { }", "step x for v in xs { }"),
        ("x = 'a'", 'x = "a"'),
        ("x = a && b", "x = a and b"),
        ("x = a || b", "x = a or b"),
        ("x = !a", "x = not a"),
        ("// note", "# note"),
        ("x = None", "x = null"),
        ("x = [a b]", "x = [a, b]"),
        ("x = f(a b = 1)", "x = f(a, b = 1)"),
        ("memory 1GiB", "memory = 1GiB"),
        ("needs [a]", "needs = [a]"),
        ("param x int", "param x: int"),
        ("a = 1 b = 2", "a = 1; b = 2"),
        ('pipeline "release" { }', "pipeline release { }"),
        ("step build-it { }", "step build_it { }"),
        ("max-parallel = 3", "max_parallel = 3"),
        ("x = 1 < y < 3", "x = 1 < y and y < 3"),
        ("x = 10min", "x = 10m"),
        ("x = 1Gi", "x = 1GiB"),
        ('x = "a', 'x = "a"'),
        ('x = "\\d"', 'x = "\\\\d"'),
        ("x = (1", "x = (1)"),
        ("x = [1)", "x = [1]"),
        ("x = 1 }", "x = 1 "),
        ("step x = t", "step x = t()"),
        ('import "x"', 'import "x" as name'),
        ("step x {\n  a = 1", "step x {\n  a = 1\n}"),
        ("x = { a: 1 }", "x = { a = 1 }"),
    ],
)
def test_the_fix_of_a_slip_makes_the_file_right(text: str, better: str) -> None:
    assert mended(text) == better
    assert parse(Source("better", better)).diagnostics == ()


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("let in = 3", "T015", 5),
        ("output = 3", "T015", 1),
        ("for = 3", "T015", 1),
        ("if x == 1 { a = 1 }", "T001", 1),
        ("x = a if b", "T024", 11),
        ("x = a if b elif c", "T024", 12),
        ("x = 1 +", "T022", 8),
        ("x = f(1, , 2)", "T022", 10),
        ('x = "{{ }}"', "T022", 6),
        ('x = "{{ y"', "T005", 6),
        ("x = $HOME", "T002", 5),
        ("x = é", "T002", 5),
        ("x = a ? b : c", "T002", 7),
        ('x = """abc', "T003", 5),
        ("step", "T001", 1),
        ("step {\n a = 1\n}", "T001", 6),
        ("x = 5 | 6", "T028", 9),
        ("x = f(a = 1, 2)", "T029", 14),
        ("x = )", "T008", 5),
        ("x = 1.2.3", "T023", 5),
        ("x = 30m1h", "T023", 5),
        ("x = 99999999999999999999", "T023", 5),
    ],
)
def test_one_mistake_is_told_once_at_its_place(text: str, code: str, column: int) -> None:
    for end in ("", "\n", "\nb = 2\n"):
        assert told(text + end)[:1] == [(code, 1, column)]
        assert len(told(text + end)) == 1


def test_every_mistake_of_a_file_is_told_in_one_run() -> None:
    text = """\
pipeline release {
  description: "Build"
  timeout == 10m
  step build-wheel {
    run = 'make wheel'
    env { A = "x {{ name" }
  }
  stpe unit for v in ["3.11" "3.12"] {
    run = "pytest \\d"
    timeout = 10min
    x = y if z
    bar = a.b(c, 1 +, d)
  }
}
"""
    assert told(text) == [
        ("T010", 2, 14),
        ("T011", 3, 11),
        ("T032", 4, 8),
        ("T017", 5, 11),
        ("T005", 6, 18),
        ("T016", 8, 3),
        ("T014", 8, 30),
        ("T004", 9, 19),
        ("T023", 10, 15),
        ("T024", 11, 15),
        ("T022", 12, 21),
    ]


def steps(parsed: Parsed) -> list[str]:
    (pipeline,) = (i for i in parsed.file.items if isinstance(i, syntax.Pipeline))
    assert pipeline.body is not None
    return [i.name.id for i in pipeline.body.items if isinstance(i, syntax.Step)]


def test_a_missing_brace_is_found_by_indentation() -> None:
    text = "pipeline p {\n  step a {\n    run = 1\n\n  step b {\n    run = 2\n  }\n}\n"
    parsed = parse(Source("a", text))
    (diagnostic,) = parsed.diagnostics
    assert (diagnostic.code, diagnostic.span.first.line) == ("T007", 3)
    assert diagnostic.related[0].span.first.line == 2
    assert steps(parsed) == ["a", "b"]


def test_a_missing_opening_brace_is_found_by_indentation() -> None:
    text = "pipeline p {\n  step a\n    run = 1\n  }\n  step b { }\n}\n"
    parsed = parse(Source("a", text))
    (diagnostic,) = parsed.diagnostics
    assert (diagnostic.code, diagnostic.span.first.line) == ("T007", 2)
    assert diagnostic.related[0].span.first.line == 4
    assert steps(parsed) == ["a", "b"]


def test_a_brace_too_many_is_found_by_indentation() -> None:
    text = "pipeline p {\n  step a {\n    run = 1\n  }\n  }\n  step b { }\n}\n"
    parsed = parse(Source("a", text))
    (diagnostic,) = parsed.diagnostics
    assert (diagnostic.code, diagnostic.span.first.line) == ("T008", 5)
    assert steps(parsed) == ["a", "b"]


def test_braces_that_close_nothing_cost_the_same_however_many_there_are() -> None:
    text = "    x = 1\n" * 500 + "}\n" * 50_000
    start = time.process_time()
    told = parse(Source("a", text)).diagnostics
    assert {diagnostic.code for diagnostic in told} == {"T008", "T095"}
    assert time.process_time() - start < 30  # about 100 when it was quadratic


def test_an_open_bracket_ends_before_the_next_item() -> None:
    text = "pipeline p {\n  step a {\n    needs = [x\n    run = 1\n  }\n  step b { }\n}\n"
    parsed = parse(Source("a", text))
    assert told(text) == [("T006", 3, 13)]
    assert steps(parsed) == ["a", "b"]


def test_what_is_good_is_kept_and_the_rest_is_broken() -> None:
    parsed = parse(Source("a", "a = 1\nb = [1, 2 + , 3]\nc = $x\nd = 4\n"))
    values = {i.name: i.value for i in parsed.file.items if isinstance(i, syntax.Attribute)}
    assert list(values) == ["a", "b", "c", "d"]
    assert isinstance(values["b"], syntax.ListExpression)
    assert len(values["b"].items) == 3
    assert isinstance(values["c"], syntax.Broken)


def test_the_body_of_a_header_that_cannot_be_read_is_still_checked() -> None:
    assert told("step {\n  a: 1\n}\n") == [("T001", 1, 6), ("T010", 2, 4)]


PIECES = [
    *tables().words, *tables().signs, "{{", "}}", '"', '"""', 'r"', "'", "\n", "\n  ", " ", "\\",
    "x", "build", "10m", "1GiB", "1_0", "3.", "#", "//", "/*", "&&", "$", "\x00", "\ud800", "é",
    "\r\n", "\t", ";", "stpe",
]  # fmt: skip


def check(text: str) -> None:
    parsed = parse(Source("fuzz", text))
    for diagnostic in parsed.diagnostics:
        spans = [diagnostic.span, *(related.span for related in diagnostic.related)]
        if diagnostic.fix and diagnostic.fix.span:
            spans.append(diagnostic.fix.span)
        assert all(0 <= span.start <= span.end <= len(text) for span in spans)


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.booleans())
def test_any_row_of_tokens_is_read_to_its_end(pieces: list[str], spaced: bool) -> None:
    check((" " if spaced else "").join(pieces))


@settings(max_examples=200, deadline=2000)
@given(st.text(max_size=200))
def test_any_text_is_read_to_its_end(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("unclosed", "place"),
    [
        ('run = """\n      make\n      make test', (3, 11)),
        ('run = """\n      make {{ run.number }}\n      make test', (3, 11)),
        ('run = r"""\n      make', (3, 11)),
        ('run = """\nmake\n  make test', (3, 11)),
    ],
)
@pytest.mark.parametrize("behind", ["", '  step c {\n    run = """\n      make\n    """\n  }\n'])
def test_an_unclosed_long_string_hides_nothing_behind_it(
    unclosed: str, place: tuple[int, int], behind: str
) -> None:
    text = f"pipeline p {{\n  step a {{\n    {unclosed}\n    timeout = 5x\n  }}\n{behind}}}\n"
    found = parse(Source("a", text)).diagnostics
    assert [d.code for d in found] == ["T003", "T023"]
    assert (found[0].span.first.line, found[0].span.first.column) == place


def test_escaped_quotes_in_a_hole_are_told_once_each_with_the_way_out() -> None:
    text = r"""pipeline p {
  param xs: list(string)
  step a { run = "echo {{ xs | join(\", \") }} and {{ nme }}" }
}"""
    found = compile_source(Source("x.tide", text), NoPlugins()).diagnostics
    assert [(each.code, each.span.text) for each in found] == [
        ("T002", r"\", \""),
        ("T101", "nme"),
    ]
    assert found[0].fix is not None
    assert found[0].fix.replacement == '", "'


@pytest.mark.parametrize("quotes", ['"""', 'r"""'])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_long_string_that_is_not_closed_is_told_and_nothing_else(
    quotes: str, count: int
) -> None:
    open_ = "".join(f"  step s{i} {{\n    run = {quotes}\n      a\n  }}\n" for i in range(count))
    text = f'pipeline p {{\n{open_}  step t {{ rum = "b" }}\n}}\n'
    found = compile_source(Source("x.tide", text), NoPlugins()).diagnostics
    assert [told.code for told in found] == ["T003"] * count + ["T305", "T108"]


def test_many_long_strings_that_are_not_closed_take_no_longer_each() -> None:
    text = "".join(f'x{i} = """\n  a\n' for i in range(20_000))
    begun = time.process_time()
    assert len(told(text)) > 90
    assert time.process_time() - begun < 10
