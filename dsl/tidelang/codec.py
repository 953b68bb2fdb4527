"""A definition as bytes and back, and its digest.

The bytes are canonical: compact ASCII JSON, members in the order of the classes, nothing
written that is at its default. A member that a later format adds therefore changes no
digest where it is not used.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any, Union, cast

from tidelang import definition
from tidelang.definition import (
    FORMAT,
    Action,
    Approval,
    Argv,
    Definition,
    Expr,
    Script,
    Subrun,
)

_ACTIONS: dict[str, type] = {
    "script": Script,
    "argv": Argv,
    "approval": Approval,
    "subrun": Subrun,
}
_ACTION_NAMES = {kind: name for name, kind in _ACTIONS.items()}


_KEPT = 64
"""Definitions that are kept at a time."""


class FormatError(ValueError):
    """The bytes are no definition that this version reads; the text says why."""


def encode(value: Definition) -> bytes:
    """The canonical bytes."""
    data = {"format": value.format, **_members(value)}
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(value: Definition) -> str:
    """SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(encode(value)).hexdigest()


@lru_cache(_KEPT)
def decode(data: bytes) -> Definition:
    """The definition that `encode` made these bytes of. Who asks again is given the same one:
    all runs of a version share it.

    Raises:
        FormatError: they are something else, or of another format.
    """
    try:
        members = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"this is no definition: {error}") from None
    found = members.get("format") if isinstance(members, dict) else None
    if found != FORMAT:
        raise FormatError(f"this definition has format {found}; this version reads {FORMAT}")
    try:
        return cast("Definition", _made(Definition, members))
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"this definition is damaged: {error!r}") from None


# --- writing -------------------------------------------------------------------------


@cache
def _layout(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    """A class's members with their defaults."""
    return tuple((f.name, _default(f)) for f in fields(kind))


def _default(member: Field[Any]) -> Any:
    if member.default_factory is not MISSING:
        return member.default_factory()
    return member.default


def _members(value: Any) -> dict[str, Any]:
    result = {}
    for name, default in _layout(value.__class__):
        member = getattr(value, name)
        if member is default or (type(member) is type(default) and member == default):
            continue
        result[name] = _plain(member)
    return result


def _plain(value: Any) -> Any:
    if (name := _ACTION_NAMES.get(value.__class__)) is not None:
        return {name: _members(value)}
    if is_dataclass(value):
        return _members(value)
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [_plain(item) for item in value]
    return value  # json writes the tuples of an expression as they are


# --- reading -------------------------------------------------------------------------

_Reader = Callable[[Any], Any]


@cache
def _readers(kind: type) -> dict[str, _Reader]:
    hints = typing.get_type_hints(kind, vars(definition))
    return {name: _reader(hints[name]) for name, _ in _layout(kind)}


def _reader(hint: Any) -> _Reader:
    if hint == Action:
        return _action
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        hint = next(a for a in arguments if a is not type(None))
        inner = _reader(hint)
        return lambda data: None if data is None else inner(data)
    if hint == Expr or origin is tuple:
        return _items(arguments)
    if is_dataclass(hint):
        return lambda data: _made(cast("type", hint), data)
    return lambda data: data


def _items(arguments: tuple[Any, ...]) -> _Reader:
    if arguments and is_dataclass(arguments[0]):
        read = _reader(arguments[0])
        return lambda data: tuple(read(item) for item in data)
    return _frozen


def _frozen(data: Any) -> Any:
    return tuple(map(_frozen, data)) if isinstance(data, list) else data


def _action(data: Any) -> Any:
    ((name, members),) = data.items()
    return _made(_ACTIONS[name], members)


def _made(kind: type, data: dict[str, Any]) -> Any:
    readers = _readers(kind)
    return kind(**{name: readers[name](member) for name, member in data.items()})
