"""What a block may hold: small values that every check of a body goes through.

The language's own blocks are written in `tidelang.blocks`; a plugin's settings model is
turned into the same by `from_pydantic`, without this module importing pydantic. The
editor's completion and hover read them too.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from tidelang.definition import Type
from tidelang.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    SECRET,
    SIZE,
    STRING,
    TIME,
    list_of,
    map_of,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute. `default` is how the default is written, for documentation."""

    name: str
    type: Type
    doc: str
    default: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """A body. `title` names it in messages (`a step`). `blocks` are the kinds of blocks it
    takes, with how their labels are written; those in `many` may be repeated. `later`
    names what is planned and has no meaning yet. `open` lets any attribute in."""

    title: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    blocks: Mapping[str, str] = field(default_factory=dict)
    many: frozenset[str] = frozenset()
    declarations: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    open: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.fields, *self.blocks)


def schema(title: str, *fields: Field, **more: Any) -> Schema:
    """A schema from its fields."""
    return Schema(title, {field.name: field for field in fields}, **more)


# --- from a plugin's settings ------------------------------------------------------------


def from_pydantic(title: str, model: type[Any]) -> Schema:
    """The schema of a pydantic model: names (or aliases), types, defaults, documentation.

    Kinds of values that the language does not know are `any`: the model itself decides
    about them when the step starts."""
    hints = typing.get_type_hints(model, include_extras=False)
    fields = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        type = _bounded(_type(hints.get(name, Any)), info.metadata)  # noqa: A001
        default = "" if info.is_required() else repr(info.get_default(call_default_factory=True))
        fields[key] = Field(key, type, info.description or "", default, info.is_required())
    return Schema(title, fields, open=model.model_config.get("extra") == "allow")


_PLAIN: tuple[tuple[type, Type], ...] = (
    (bool, BOOL),
    (int, INT),
    (float, FLOAT),
    (str, STRING),
    (PurePath, STRING),
    (timedelta, DURATION),
    (datetime, TIME),
)


def _type(hint: Any) -> Type:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _union([a for a in arguments if a is not type(None)])
    if origin is typing.Literal:
        return _choices(arguments)
    if origin in (list, tuple, set, frozenset) or getattr(origin, "__name__", "") == "Sequence":
        return list_of(_type(arguments[0]) if arguments else ANY)
    if origin is dict or getattr(origin, "__name__", "") == "Mapping":
        return map_of(_type(arguments[1]) if len(arguments) == 2 else ANY)
    return _class(hint) if isinstance(hint, type) else ANY


def _union(arguments: list[Any]) -> Type:
    return _type(arguments[0]) if len(arguments) == 1 else ANY


def _choices(members: tuple[Any, ...]) -> Type:
    if all(isinstance(member, str) for member in members):
        return Type("enum", members=members)
    return ANY


def _class(hint: type) -> Type:
    if issubclass(hint, enum.Enum):
        return _choices(tuple(member.value for member in hint))
    if hint.__name__ == "ByteSize":
        return SIZE
    if hint.__name__ == "SecretStr":
        return SECRET
    if hint in (list, tuple, set, frozenset):
        return list_of(ANY)
    return next((known for base, known in _PLAIN if issubclass(hint, base)), ANY)


def _bounded(type: Type, metadata: list[Any]) -> Type:  # noqa: A002
    """With the bounds of `Field(ge=…, le=…)`; for whole numbers `gt` and `lt` too."""
    low = high = None
    for mark in metadata:
        low = getattr(mark, "ge", low)
        high = getattr(mark, "le", high)
        if type.name == "int":
            low = mark.gt + 1 if getattr(mark, "gt", None) is not None else low
            high = mark.lt - 1 if getattr(mark, "lt", None) is not None else high
    if type.name not in ("int", "float") or (low is None and high is None):
        return type
    return Type(type.name, low=low, high=high)
