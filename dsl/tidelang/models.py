"""A plugin's settings: the schema of its pydantic model, and what the model itself says of
values that are known.

Pydantic is not imported here: the language works without it where no plugin is asked.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from tidelang.definition import Type
from tidelang.schema import Field, Schema, Template
from tidelang.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    SECRET,
    SIZE,
    STRING,
    TEMPLATE,
    TEXT,
    TIME,
    Struct,
    common,
    list_of,
    map_of,
)

_DEEP = 8
"""Models within models that are looked into; further in, anything goes."""


def from_pydantic(
    title: str, model: type[Any], origin: str = "", *, templates: bool = False
) -> Schema:
    """The schema of a pydantic model: names (or aliases), types, defaults, documentation.

    Kinds of values that the language does not know are `any`: the model itself decides
    about them. With `templates`, settings that are marked so are Jinja2 documents."""
    fields = {}
    for key, info, type in _fields(model, _DEEP):  # noqa: A001  the language's word
        if templates and _is_template(info):
            type = TEMPLATE  # noqa: A001
        default = "" if info.is_required() else _written(info)
        fields[key] = Field(key, type, info.description or "", default, info.is_required())
    return Schema(title, fields, open=_open(model), origin=origin)


def _written(info: Any) -> str:
    """A default as one would write it in a file; nothing for none, or for what a file
    cannot hold."""
    value = info.get_default(call_default_factory=True)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, tuple | set | frozenset):
        value = list(value)
    try:
        return "" if value is None else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""


def _fields(model: type[Any], deep: int) -> Iterable[tuple[str, Any, Type]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info, _bounded(_type(info.annotation, deep), info.metadata)


def _is_template(info: Any) -> bool:
    """`Annotated[str, Template()]`, or that or None."""
    marks = list(info.metadata)
    for each in typing.get_args(info.annotation):
        marks.extend(getattr(each, "__metadata__", ()))
    return any(isinstance(mark, Template) for mark in marks)


def templates_of(model: type[Any]) -> dict[str, str]:
    """The settings that are Jinja2 documents, with their defaults; empty where there is
    none."""
    found = {}
    for name, info in model.model_fields.items():
        if _is_template(info):
            default = None if info.is_required() else info.get_default(call_default_factory=True)
            found[info.alias or name] = default if isinstance(default, str) else ""
    return found


def _open(model: type[Any]) -> bool:
    return bool(model.model_config.get("extra") == "allow")


_PLAIN: tuple[tuple[type, Type], ...] = (
    (bool, BOOL),
    (int, INT),
    (float, FLOAT),
    (str, STRING),
    (PurePath, STRING),
    (timedelta, DURATION),
    (datetime, TIME),
)
_NAMED = {"ByteSize": SIZE, "SecretStr": SECRET, "SecretBytes": SECRET, "Secret": SECRET}
_TEXTUAL = ("pydantic.networks", "ipaddress", "uuid")
"""Modules whose types are written as text."""


def _type(hint: Any, deep: int) -> Type:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _bounded(_type(arguments[0], deep), list(hint.__metadata__))
    if origin in (typing.Union, types.UnionType):
        return _union([a for a in arguments if a is not type(None)], deep)
    if origin is typing.Literal:
        return _choices(arguments)
    if origin in (list, tuple, set, frozenset) or getattr(origin, "__name__", "") == "Sequence":
        return list_of(_type(arguments[0], deep) if arguments else ANY)
    if origin is dict or getattr(origin, "__name__", "") == "Mapping":
        return map_of(_type(arguments[1], deep) if len(arguments) == 2 else ANY)
    return _class(origin or hint, deep) if isinstance(origin or hint, type) else ANY


def _union(arguments: list[Any], deep: int) -> Type:
    found = [_type(argument, deep) for argument in arguments]
    if len(found) == 2 and STRING in found and SECRET in found:
        return TEXT
    return found[0] if len(found) == 1 else ANY


def _choices(members: tuple[Any, ...]) -> Type:
    if all(isinstance(member, str) for member in members):
        return Type("enum", members=members)
    kinds = {bool: BOOL, int: INT, float: FLOAT}
    return common(kinds.get(type(member), ANY) for member in members)


def _class(hint: type, deep: int) -> Type:
    if hasattr(hint, "model_fields"):
        return _struct(hint, deep)
    if issubclass(hint, enum.Enum):
        return _choices(tuple(member.value for member in hint))
    if hint.__name__ in _NAMED:
        return _NAMED[hint.__name__]
    if hint in (list, tuple, set, frozenset):
        return list_of(ANY)
    if hint.__module__ in _TEXTUAL:
        return STRING
    return next((known for base, known in _PLAIN if issubclass(hint, base)), ANY)


def _struct(model: type[Any], deep: int) -> Type:
    if deep == 0:
        return map_of(ANY)
    fields = tuple((key, type) for key, _, type in _fields(model, deep - 1))  # noqa: A001
    return Struct("map", of=ANY, fields=fields, open=_open(model))


def _bounded(type: Type, metadata: list[Any]) -> Type:  # noqa: A002
    """With the bounds of `Field(ge=…, le=…)`; for whole numbers `gt` and `lt` too."""
    low = high = None
    for mark in _marks(metadata):
        low = getattr(mark, "ge", low)
        high = getattr(mark, "le", high)
        if type.name == "int":
            low = mark.gt + 1 if getattr(mark, "gt", None) is not None else low
            high = mark.lt - 1 if getattr(mark, "lt", None) is not None else high
    if type.name not in ("int", "float") or (low is None and high is None):
        return type
    return Type(type.name, low=low, high=high)


def _marks(metadata: list[Any]) -> Iterable[Any]:
    """Also those within a `Field(…)` that stands in an `Annotated`."""
    for mark in metadata:
        yield mark
        yield from getattr(mark, "metadata", ())


# --- what the model says ---------------------------------------------------------------

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a model refuses: `path` leads to it from the settings; an empty one means all
    of them together."""

    path: Path
    kind: str
    message: str


def mistakes(model: type[Any], values: Mapping[str, Any], unknown: Iterable[Path]) -> list[Mistake]:
    """What a model says of settings of which some are not known yet: those are left out
    or are in `values` with anything in their place, and nothing is said that may come
    from that."""
    left = tuple(unknown)
    try:
        model.model_validate(dict(values))
    except ValueError as error:
        found = map(_mistake, error.errors() if hasattr(error, "errors") else ())
        return [each for each in found if not any(_meet(each.path, path) for path in left)]
    except Exception:  # noqa: BLE001  a model's own code, on values that it may not expect
        return []
    return []


def _meet(one: Path, other: Path) -> bool:
    """Whether one of the two lies within the other."""
    return one[: len(other)] == other[: len(one)]


def _mistake(details: Mapping[str, Any]) -> Mistake:
    text = str(details["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return Mistake(tuple(details["loc"]), str(details["type"]), text[:1].lower() + text[1:])
