"""Types as the checker uses them: what fits what, what two have in common.

The types of a definition are `definition.Type`. While checking, two richer ones are
known: a list of a fixed length whose items have types of their own, and a map whose keys
are known. Both are lists and maps to everybody else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tidelang.definition import Type

ANY = Type("any")
"""Fits everything. What could not be made out is `any` too, so that one mistake gives
one message."""
NULL = Type("null")
STRING = Type("string")
INT = Type("int")
FLOAT = Type("float")
BOOL = Type("bool")
DURATION = Type("duration")
SIZE = Type("size")
TIME = Type("time")
FILE = Type("file")
SECRET = Type("secret")
TEMPLATE = Type("template")
"""Only wanted, never found: the text of a Jinja2 document."""
TEXT = Type("text")
"""Only wanted, never found: a string that may be a secret."""

NAMED = {t.name: t for t in (STRING, INT, FLOAT, BOOL, DURATION, SIZE, TIME, FILE, SECRET, ANY)}
"""What stands behind `:` without arguments."""

SCALARS = frozenset({"string", "int", "float", "bool", "duration", "size", "time", "file", "enum"})
TEXTUAL = frozenset({"string", "file", "enum", "time"})
NUMBERS = frozenset({"int", "float"})


@dataclass(frozen=True, slots=True)
class Tuple(Type):
    """A list whose items are known one by one: `["3.11", 8]`, an item of `product`."""

    items: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class Record(Type):
    """A map whose keys are known: `{ cpu = 1, name = "x" }`."""

    fields: tuple[tuple[str, Type], ...] = ()


@dataclass(frozen=True, slots=True)
class Struct(Type):
    """A map as a plugin wants it: which keys it may have and of which types; with `open`,
    others too. Only wanted, never found."""

    fields: tuple[tuple[str, Type], ...] = ()
    open: bool = False


def list_of(of: Type) -> Type:
    return Type("list", of=of)


def map_of(of: Type) -> Type:
    return Type("map", of=of)


def tuple_of(items: Iterable[Type]) -> Type:
    members = tuple(items)
    return Tuple("list", of=common(members), items=members)


def record_of(fields: Iterable[tuple[str, Type]]) -> Type:
    known = tuple(fields)
    return Record("map", of=common(member for _, member in known), fields=known)


def inner(type: Type) -> Type:  # noqa: A002  the language's word
    """The member type of a list or map."""
    return type.of or ANY


def fits(actual: Type, wanted: Type) -> bool:
    """Whether a value of type `actual` may stand where `wanted` is asked for.

    What depends on the value (an enum's members, bounds) is looked at elsewhere."""
    if "secret" in (actual.name, wanted.name):  # not even `any` lets one through
        return actual.name == wanted.name
    if actual is wanted or wanted.name == "any" or actual.name == "any":
        return True
    if wanted.name in ("list", "map"):
        return actual.name == wanted.name and fits(inner(actual), inner(wanted))
    if wanted.name == "text":
        return actual.name in TEXTUAL
    if actual.name == wanted.name:
        return wanted.name != "enum" or set(actual.members) <= set(wanted.members)
    if wanted.name == "float":
        return actual.name == "int"
    return wanted.name == "string" and actual.name in TEXTUAL


def related(one: Type, other: Type) -> bool:
    """Whether values of the two could ever be equal."""
    if "null" in (one.name, other.name):
        return True
    if one.name == "enum" and other.name == "enum":
        return bool(set(one.members) & set(other.members))
    if one.name in TEXTUAL and other.name in TEXTUAL:
        return True
    return fits(one, other) or fits(other, one)


def common(types: Iterable[Type]) -> Type:
    """The type that all of them fit; `any` where there is none."""
    result: Type | None = None
    for each in types:
        result = each if result is None else _join(result, each)
    return result or ANY


def _join(one: Type, other: Type) -> Type:
    if one is other or one == other:
        return one
    if isinstance(one, Tuple) and isinstance(other, Tuple) and len(one.items) == len(other.items):
        return tuple_of(map(_join, one.items, other.items))
    if isinstance(one, Record) and isinstance(other, Record) and _keys(one) == _keys(other):
        theirs = dict(other.fields)
        return record_of((key, _join(mine, theirs[key])) for key, mine in one.fields)
    if one.name == other.name and one.name in ("list", "map"):
        return Type(one.name, of=_join(inner(one), inner(other)))
    if "any" in (one.name, other.name):
        return ANY
    if one.name in NUMBERS and other.name in NUMBERS:
        return INT if one.name == other.name == "int" else FLOAT
    return STRING if one.name in TEXTUAL and other.name in TEXTUAL else ANY


def _keys(record: Record) -> set[str]:
    return {key for key, _ in record.fields}


def scalar(type: Type) -> bool:  # noqa: A002
    """Whether its values are one piece of text in a template."""
    return type.name in SCALARS or type.name == "any"


def show(type: Type) -> str:  # noqa: A002
    """The type as it is written in a file: `list(string)`, `int(1..16)`."""
    if type.name == "enum":
        return " | ".join(json.dumps(member, ensure_ascii=False) for member in type.members)
    if type.name == "text":
        return "string | secret"
    if type.name in ("list", "map"):
        return type.name if inner(type).name == "any" else f"{type.name}({show(inner(type))})"
    if type.low is None and type.high is None:
        return type.name
    low = "" if type.low is None else type.low
    return f"{type.name}({low}..{'' if type.high is None else type.high})"
