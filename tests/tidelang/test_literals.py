"""Strings: escapes, indentation, holes, and where each part stands."""

from __future__ import annotations

import pytest

from tidelang import syntax
from tidelang.parser import parse
from tidelang.source import Source


def string(text: str) -> syntax.String:
    parsed = parse(Source("a", f"let a = {text}\n"))
    assert parsed.diagnostics == ()
    (let,) = parsed.file.items
    assert isinstance(let, syntax.Let)
    assert isinstance(let.value, syntax.String)
    return let.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('""', ""),
        ('"a"', "a"),
        (r'"a\n\t\r\\\"b"', 'a\n\t\r\\"b'),
        (r'"\{{ x }}"', "{{ x }}"),
        (r'"\u{1F600}\u{41}"', "\U0001f600A"),
        ('"{ a } ${b}"', "{ a } ${b}"),
        (r'r"\d {{ x }}"', r"\d {{ x }}"),
        ('""""""', ""),
        ('"""a"""', "a"),
        ('"""echo "x""""', 'echo "x"'),
        ('"""\n  a\n    b\n  """', "a\n  b\n"),
        ('"""\n  a\n\n  b"""', "a\n\nb"),
        ('"""\n  a\n   \n  b\n"""', "a\n \nb\n"),
        ('"""\n\ta\n\t\tb\n"""', "a\n\tb\n"),
        ('"""\r\n  a\r\n  b\r\n  """', "a\nb\n"),
        ('"""\n  grep -E "\\d+\\.\\$" \\\n    x\n"""', 'grep -E "\\d+\\.\\$" \\\n  x\n'),
        ('"""\n  \\{{ .State }}\n"""', "{{ .State }}\n"),
        ('"""a \\""" b"""', 'a """ b'),
        ('r"""\n  \\n {{ x }}\n  """', "\\n {{ x }}\n"),
    ],
)
def test_a_string_has_its_value(text: str, value: str) -> None:
    assert string(text).plain == value


def test_holes_may_hold_strings_with_holes() -> None:
    outer = string('"x {{ f("y {{ z }}", "w") }}!"')
    assert [part.span.text for part in outer.parts] == ["x ", '{{ f("y {{ z }}", "w") }}', "!"]


def test_a_hole_may_hold_an_object_and_line_ends() -> None:
    node = string('"""\n  a {{ f(\n {b = {c = 1}}) }}\n  d\n"""')
    assert [part.span.text for part in node.parts][1] == "{{ f(\n {b = {c = 1}}) }}"
    assert [p.value for p in node.parts if isinstance(p, syntax.Text)] == ["a ", "\nd\n"]


def test_a_line_that_starts_with_a_hole_counts_for_the_indentation() -> None:
    node = string('"""\n    a\n  {{ x }} b\n    c\n"""')
    assert [p.value for p in node.parts if isinstance(p, syntax.Text)] == ["  a\n", " b\n  c\n"]


def test_an_even_number_of_escapes_before_a_hole_leaves_it_one() -> None:
    node = string(r'"\\{{ x }}"')
    assert [type(part).__name__ for part in node.parts] == ["Text", "Hole"]


@pytest.mark.parametrize("text", [r'"\x41"', r'"\q"', r'"\u{110000}"', r'"\u{d800}"', r'"\u41"'])
def test_an_unknown_escape_is_told_at_its_place(text: str) -> None:
    (diagnostic,) = parse(Source("a", f"let a = {text}\n")).diagnostics
    assert diagnostic.code == "T004"
    assert diagnostic.span.start == 9


def test_mixed_indentation_is_told_at_the_line_also_with_windows_line_ends() -> None:
    for end in ("\n", "\r\n"):
        text = end.join(['let a = """', "  one {{ x }}", "\ttwo", '"""', ""])
        (diagnostic,) = parse(Source("a", text)).diagnostics
        assert diagnostic.code == "T025"
        assert diagnostic.span.text == "\t"
        assert diagnostic.span.first.line == 3
