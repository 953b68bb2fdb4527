"""The reader of the language's tests: what it finds, and that nothing is let through."""

from __future__ import annotations

import pytest
from spec_documents import Case, DocumentError, Happening, Section, case_of, sections
from spec_expect import differing_diagnostics, differing_json, missing_happenings
from spec_rules import rules_in

WHOLE = """\
# Topic

## One

Rules: `a.b` `a.c-d`,
`e.f`

```tide
x
```
````file data/a.md
```
## no heading
```
````
```tide lib/y.tide
y
```
```text run TOKEN=1 -p 'a=b c'
s[1 2] | TOKEN: failed
s[1 2] failed: exit code
run failed
```

## Two
Rules: `a.b`
```tide
z
```
```text diagnostics
T101 1:2 z
  also lib/y.tide:3:4
  fix zz
```
"""


def section(*blocks: str, rules: str = "Rules: `a.b`") -> Section:
    (found,) = sections("\n".join(["## t", rules, "", *blocks]))
    return found


def fence(info: str, text: str = "x") -> str:
    return f"```{info}\n{text}\n```"


def case(*blocks: str) -> Case:
    return case_of(section(fence("tide"), *blocks))


def test_a_section_is_read_as_files_and_expectations() -> None:
    one, two = sections(WHOLE)
    assert (one.title, two.title) == ("One", "Two")
    first, second = case_of(one), case_of(two)
    assert first.rules == ("a.b", "a.c-d", "e.f")
    assert first.files == {
        "main.tide": "x\n",
        "data/a.md": "```\n## no heading\n```\n",
        "lib/y.tide": "y\n",
    }
    assert (first.runs[0].arguments, first.runs[0].environment) == (("-p", "a=b c"), {"TOKEN": "1"})
    assert first.runs[0].happenings == (
        Happening("s[1 2]", "|", "TOKEN: failed"),
        Happening("s[1 2]", "failed", "exit code"),
        Happening("run", "failed"),
    )
    assert second.diagnostics == ("T101 1:2 z", "  also lib/y.tide:3:4", "  fix zz")


@pytest.mark.parametrize(
    "wrong",
    [
        section(fence("tide"), rules=""),
        section(fence("tide"), rules="Rules: a.b"),
        section(fence("tide"), rules="Rules: `a.b` and so on"),
        section(fence("tide"), rules="Rules: `nodot`"),
        section(fence("text diagnostics", "T101 1:1 x")),
        section(fence("tide lib/x.tide")),
        section(fence("tide"), fence("tide")),
        section(fence("tide"), fence("file ../x")),
        section(fence("tide"), fence("file")),
        section(fence("tide"), fence("python")),
        section(fence("tide"), fence("")),
        section(fence("tide"), fence("text")),
        section(fence("tide"), fence("text output")),
        section(fence("tide"), fence("text diagnostics", "")),
        section(fence("tide"), fence("text diagnostics", "T101 here")),
        section(fence("tide"), fence("text diagnostics x", "T101 1:1")),
        section(fence("tide"), fence("text run", "")),
        section(fence("tide"), fence("text run", "a exploded")),
        section(fence("tide"), fence("json definition", "{")),
        section(fence("tide"), fence("json")),
        section(
            fence("tide"),
            fence("text diagnostics", "T101 1:1"),
            fence("text run", "run succeeded"),
        ),
    ],
    ids=lambda wrong: " ".join([*(f.info for f in wrong.fences), *wrong.prose]).strip(),
)
def test_what_is_no_test_fails(wrong: Section) -> None:
    with pytest.raises(DocumentError):
        case_of(wrong)


@pytest.mark.parametrize("wrong", ["```tide\nx\n```\n", "## t\n```tide\nx\n"])
def test_a_block_that_belongs_to_no_test_or_is_not_closed_fails(wrong: str) -> None:
    with pytest.raises(DocumentError):
        sections(wrong)


@pytest.mark.parametrize(
    ("expected", "found", "differs"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {"b": 1}, True),
        ({"a": True}, {"a": 1}, True),
        ({"a": None}, {"b": 1}, False),
        ({"a": None}, {"a": 1}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, False),
        ({"a": [1]}, {"a": [1, 2]}, True),
        ([{}], {}, True),
    ],
)
def test_a_definition_has_what_is_expected(expected: object, found: object, differs: bool) -> None:
    assert bool(list(differing_json(expected, found))) is differs


@pytest.mark.parametrize(
    ("expected", "told", "differs"),
    [
        (["T101 1:1 x"], ["T101 1:1 x", "  also 2:2 y"], False),
        (["T101 1:1 x", "  also 2:2 y"], ["T101 1:1 x", "  also 2:2 y"], False),
        (["T101 1:1 x", "  also 2:3 y"], ["T101 1:1 x", "  also 2:2 y"], True),
        (["T101 1:1 x"], ["T101 1:1 x", "W101 3:3 z"], True),
        (["T101 1:1 x", "T102 2:1"], ["T102 2:1", "T101 1:1 x"], True),
        ([], ["W101 3:3 z"], True),
    ],
)
def test_all_that_is_told_is_expected(expected: list[str], told: list[str], differs: bool) -> None:
    assert bool(differing_diagnostics(expected, told)) is differs


A, B = Happening("a", "|", "1"), Happening("a", "failed", "exit code 1")


@pytest.mark.parametrize(
    ("expected", "misses"),
    [
        ([A], False),
        ([A, B], False),
        ([B, A], True),
        ([A, A], True),
        ([Happening("b", "|", "1")], True),
        ([Happening("a", "failed", "code")], False),
        ([Happening("a", "failed", "other")], True),
        ([Happening("a", "|", "")], True),
    ],
)
def test_what_happens_is_looked_for_in_the_order_of_each_task(
    expected: list[Happening], misses: bool
) -> None:
    happened = [Happening("b", "ready"), A, Happening("b", "failed"), B]
    assert bool(missing_happenings(expected, happened)) is misses


def test_a_rule_starts_a_line_outside_of_blocks() -> None:
    text = "`[a.b]` One.\n\n- `[a.c-1]` Two, see `[a.d]`.\n```text\n`[a.e]` no\n```\n`[a]` no\n"
    assert rules_in(text) == ["a.b", "a.c-1"]
