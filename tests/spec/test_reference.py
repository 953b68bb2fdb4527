"""What the reference says in tables is what the language's modules say."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from spec_documents import rules_of, sections
from spec_rules import rules_in
from spec_tables import rows, section

from tidelang import blocks, bounds, codes, definition, limits, outputs
from tidelang.functions import FILTERS, FUNCTIONS, STATES
from tidelang.lexing.numbers import DURATIONS, SIZES
from tidelang.schema import Field, Schema
from tidelang.scope import RUN_FIELDS
from tidelang.types import inner, show

REFERENCE = (Path(__file__).parents[2] / "docs/reference/language.md").read_text()

SCHEMAS = {
    "## `param`": blocks.PARAM,
    "## `pipeline`": blocks.PIPELINE,
    "### `defaults`": blocks.DEFAULTS,
    "## `step`": blocks.STEP,
    "### `retry`": blocks.RETRY,
    "### `approve`": blocks.APPROVE,
    "### `cache`": blocks.CACHE,
    "### `resources`": blocks.RESOURCES,
    "## `schedule`": blocks.SCHEDULE,
    "## `notify`": blocks.NOTIFY,
}
LOOSE = {
    "run": "a string, or a list",
    "needs": "list of step names",
    "regions": "prefer(…)",
}
"""Attributes of which more is asked than their schema's type says."""


def test_no_rule_stands_twice() -> None:
    rules = rules_in(REFERENCE)
    assert sorted(rules) == sorted(set(rules))


@pytest.mark.parametrize("heading", SCHEMAS)
def test_a_block_has_the_attributes_of_its_schema(heading: str) -> None:
    known = SCHEMAS[heading]
    told = {row[0]: row[1:3] for row in rows(_head(heading), _first(known))}
    assert set(told) == {*known.fields, *known.blocks}
    for name, field in known.fields.items():
        kind, default = told[name]
        assert kind.removesuffix(", fixed") == LOOSE.get(name, _type(field)), name
        assert default == field.default or not field.default, name
    for name in known.blocks:
        assert told[name][0] == ("block, any number" if name in known.many else "block")


def _head(heading: str) -> str:
    return section(REFERENCE, heading)


def _first(known: Schema) -> str:
    return "item" if known.blocks else "attribute"


def _type(field: Field) -> str:
    """As the tables write it: Tide's own way, and in words where it has none."""
    kind = field.type
    if kind.name in ("duration", "size"):
        return f"{kind.name} over 0" if kind.low else kind.name
    if kind.name == "list" and inner(kind).name == "enum":
        return f"list of {show(inner(kind))}"
    return show(kind)


def test_the_functions_are_those_of_the_language() -> None:
    told = {row[0]: row[3] for row in rows(REFERENCE, "function")}
    assert told == {f.signature: f.doc.replace("`", "") for f in FUNCTIONS.values()}
    special = section(REFERENCE, "- `[functions.special]`").split("\n")[0]
    assert " ".join(STATES) in special
    assert all(f"`{name}`" in special for name in FILTERS)


def test_run_has_the_fields_that_it_has() -> None:
    told = {row[0]: row[1] for row in rows(REFERENCE, "field")}
    assert told == {f"run.{name}": show(kind) for name, kind in RUN_FIELDS.items()}


def test_the_units_are_those_that_are_read() -> None:
    durations = re.search(r"Units are `([^`]*)`", REFERENCE)
    sizes = re.search(r"`([^`]*)` count in powers of 1,024, `([^`]*)` of 1,000", REFERENCE)
    assert durations
    assert sizes
    assert set(durations[1].split()) == set(DURATIONS)
    assert {*sizes[1].split(), *sizes[2].split(), "B"} == set(SIZES)


def test_the_codes_are_those_that_are_told() -> None:
    told = {row[0]: row[1] for row in rows(REFERENCE, "code")}
    assert told == {code: str(codes.title(code)).replace("`", "") for code in codes.all_codes()}


def test_the_limits_are_those_that_are_kept() -> None:
    told = {row[0]: row[1] for row in rows(section(REFERENCE, "## Limits"), "what")}
    expected = {
        "a file": f"{limits.FILE_BYTES // 2**20} MiB",
        "brackets within each other": f"{limits.BRACKETS}",
        "a string in a file": f"{limits.STRING_CHARACTERS:,} characters",
        "items of a file": f"{limits.ITEMS:,}",
        "operators, calls and brackets in one expression": f"{limits.CHAIN} deep",
        "syntax mistakes told of a file": f"{limits.MISTAKES}",
        "a text that is worked out": f"{bounds.MAX_TEXT:,} characters",
        "items of one value, nested ones counted": f"{bounds.MAX_ITEMS:,}",
        "work of one expression": f"{bounds.MAX_WORK:,} items touched",
        "values written to $TIDE_OUTPUT": f"{outputs.SIZE_LIMIT:,} bytes",
    }
    assert expected.items() <= told.items()
    assert limits.INTEGER == bounds.MAX_INT == 2**63 - 1
    assert told["whole numbers"].startswith("2^63")


# --- the definition --------------------------------------------------------------------

CLASSES = [
    found
    for name, found in vars(definition).items()
    if dataclasses.is_dataclass(found) and found.__module__ == definition.__name__
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_definition_has_the_members_that_are_told(kind: type[Any]) -> None:
    told = {row[0]: row[1:3] for row in rows(section(REFERENCE, f"**{kind.__name__}**"), "member")}
    known = {field.name: field for field in dataclasses.fields(kind)}
    assert list(told) == list(known)
    hints = typing.get_type_hints(kind)
    for name, field in known.items():
        if name == "format":
            continue
        assert told[name][0] == _words(hints[name]), name
        assert told[name][1] == _default(field), name


_WORDS = {str: "string", int: "int", bool: "bool", float: "number", int | float: "number"}
_ACTION = '{"script": Script}, {"argv": Argv}, {"approval": Approval} or {"subrun": Subrun}'


def _words(hint: Any) -> str:
    """A member's type as the reference names it."""
    if hint == definition.Action:
        return _ACTION
    if hint == definition.Expr:
        return "Expr"
    if hint in _WORDS:
        return _WORDS[hint]
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        left = [each for each in arguments if each is not type(None)]
        return "number" if set(left) == {int, float} else _words(left[0])
    if typing.get_origin(hint) is tuple:
        return f"list of {_plural(arguments[0])}"
    return str(hint.__name__)


def _plural(hint: Any) -> str:
    if hint is str:
        return "strings"
    if hint == str | int:
        return "strings and ints"
    if hint != definition.Expr and typing.get_origin(hint) is tuple:
        return f"[name, {_words(typing.get_args(hint)[1])}]"
    return _words(hint)


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return ""
    if value is None:
        return "none"
    if dataclasses.is_dataclass(value):
        return "all defaults"
    return json.dumps(value, separators=(",", ":"))


def test_every_rule_has_a_test() -> None:
    documents = Path(__file__).parent.glob("*.md")
    tested = {
        rule
        for path in documents
        if path.name != "README.md"
        for each in sections(path.read_text())
        for rule in rules_of(each)
    }
    assert set(rules_in(REFERENCE)) - tested == set()
