"""Values as expressions, and back: how a value is kept where its type must not get lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidelang.definition import Expr
from tidelang.values import Duration, Secret, SecretName, Size, Value


def literal(value: Value) -> Expr:
    """The expression whose value this is."""
    if isinstance(value, Duration):
        return ("dur", int(value))
    if isinstance(value, Size):
        return ("size", int(value))
    if isinstance(value, Secret):
        return ("text", tuple(map(_piece, value.parts)))
    if isinstance(value, list):
        return ("list", tuple(map(literal, value)))
    if isinstance(value, dict):
        return ("obj", tuple((key, literal(value[key])) for key in sorted(value)))
    return ("lit", value)


def _piece(part: str | SecretName) -> Expr:
    return ("lit", part) if isinstance(part, str) else ("secret", part.name)


def value_of(expr: Sequence[Any]) -> Value:
    """The value of what `literal` gave, also where it has been JSON in between. Holds no
    secret."""
    kind, content = expr
    if kind == "list":
        return [value_of(item) for item in content]
    if kind == "obj":
        return {key: value_of(member) for key, member in content}
    if kind == "dur":
        return Duration(content)
    if kind == "size":
        return Size(content)
    if kind == "lit":
        found: Value = content
        return found
    raise ValueError(f"{kind!r} is no literal")
