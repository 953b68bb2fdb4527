"""What people and programs get to see of a diagnostic."""

from __future__ import annotations

import json
import re

from tidelang.diagnostics import Diagnostic, Fix, Related
from tidelang.parser import parse
from tidelang.render import json as as_json
from tidelang.render import terminal
from tidelang.render.cells import clean, width
from tidelang.source import Source, Span


def shown(text: str, columns: int | None = None, name: str = "release.tide") -> str:
    diagnostics = parse(Source(name, text)).diagnostics
    return terminal.render(diagnostics, color=False, width=columns)


def test_a_mistake_shows_its_line_and_the_line_as_it_should_be() -> None:
    assert (
        shown("pipeline p {\n  timeout: 10m\n}\n")
        == """\
error[T010]: a value is given with `=`, not with `:`
 --> release.tide:2:10
  |
2 |   timeout: 10m
  |          ^
help: write `=`
  |
2 |   timeout = 10m

1 error in release.tide
"""
    )


def test_a_missing_brace_shows_the_one_it_would_close() -> None:
    text = "pipeline p {\n  step a {\n    x = 1\n    y = 2\n\n  step b {\n  }\n}\n"
    assert (
        shown(text)
        == """\
error[T007]: a `}` is missing
 --> release.tide:4:10
  |
2 |   step a {
  |          - to close this
  …
4 |     y = 2
  |          ^ `}` is missing behind this
help: close it with `}`
  |
4 |     y = 2
5 |   }

1 error in release.tide
"""
    )


def test_several_mistakes_are_counted_and_notes_shown() -> None:
    assert (
        shown('a = 1 +\nb = "\\q"\n')
        == """\
error[T022]: a value is missing behind `+`
 --> release.tide:1:8
  |
1 | a = 1 +
  |        ^ a value goes here
note: an expression goes on in the next line only inside `( )` or `[ ]`

error[T004]: there is no escape `\\q`
 --> release.tide:2:6
  |
2 | b = "\\q"
  |      ^^
help: write `\\\\q`
  |
2 | b = "\\\\q"
note: in `r"…"` a backslash stands for itself, in `\"""…\"""` too

2 errors in release.tide
"""
    )


def marked(text: str) -> tuple[str, str]:
    """The first line shown, and the underline below it."""
    lines = shown(text, 60).split("\n")
    return lines[3], lines[4]


def test_underlines_stay_below_tabs_wide_and_combining_characters() -> None:
    for before in ('\ta = "x" +', 'a = "日本" +', 'a = "e\u0301" +', 'a = "x" +'):
        line, mark = marked(before + " 10min\n")
        assert mark.index("^") == width(line[: line.index("10min")])


def test_a_long_line_is_cut_around_the_mistake() -> None:
    line, mark = marked("a = [" + "1, " * 500 + "10min, " + "2, " * 500 + "]\n")
    assert len(line) <= 60
    assert line[mark.index("^") :].startswith("10min")
    assert line.endswith("…")


def test_nothing_of_a_source_reaches_the_terminal_as_a_command() -> None:
    text = 'a = "\x1b[2J\u202e\x07\x9b" 10min\r\x1b]0;x\x07\n'
    out = shown(text, name="x\x1b[31m.tide")
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out) is None
    assert "\\x1b[2J\\u{202e}" in out
    assert clean("a\tb\n") == "a\\x09b\\x0a"


def test_colours_change_nothing_but_colours() -> None:
    diagnostics = parse(Source("a", 'x = f("a" "b"\ny: 2\n')).diagnostics
    plain = terminal.render(diagnostics, color=False, width=80)
    painted = terminal.render(diagnostics, color=True, width=80)
    assert painted != plain
    assert re.sub("\x1b\\[[0-9;]*m", "", painted) == plain


def test_warnings_and_other_files_have_their_place() -> None:
    here, there = Source("a.tide", "x = 1\n"), Source("b.tide", "y = 2\n")
    related = (Related(Span(there, 0, 1), "first here"),)
    diagnostic = Diagnostic("W101", "x is not used", Span(here, 0, 1), "unused", related)
    error = Diagnostic("T101", "oh", Span(there, 0, 1), fix=Fix("do it"))
    assert (
        terminal.render([diagnostic, error], color=False, width=80)
        == """\
warning[W101]: x is not used
 --> a.tide:1:1
  |
1 | x = 1
  | ^ unused
 --> b.tide:1:1
  |
1 | y = 2
  | - first here

error[T101]: oh
 --> b.tide:1:1
  |
1 | y = 2
  | ^
help: do it

1 error, 1 warning in 2 files
"""
    )


def test_without_diagnostics_nothing_is_shown() -> None:
    assert terminal.render([], color=True, width=80) == ""
    assert json.loads(as_json.render([])) == []


def test_programs_get_every_part_of_a_diagnostic() -> None:
    (only,) = json.loads(as_json.render(parse(Source("a.tide", "b = 1\na: 1\n")).diagnostics))
    assert only == {
        "code": "T010",
        "severity": "error",
        "message": "a value is given with `=`, not with `:`",
        "label": "",
        "file": "a.tide",
        "start": {"line": 2, "column": 2, "offset": 7},
        "end": {"line": 2, "column": 3, "offset": 8},
        "related": [],
        "fix": {
            "message": "write `=`",
            "edit": {
                "file": "a.tide",
                "start": {"line": 2, "column": 2, "offset": 7},
                "end": {"line": 2, "column": 3, "offset": 8},
                "replacement": " =",
            },
        },
        "notes": [],
    }
