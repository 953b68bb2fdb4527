"""Messages as bytes and back: JSON, checked where it comes in."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

T = TypeVar("T")


class NotUnderstoodError(ValueError):
    """The bytes are no such message: of another version, or of somebody else."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(message: object) -> bytes:
    kind: Any = type(message)
    adapter: TypeAdapter[Any] = _adapter(kind)
    try:
        return adapter.dump_json(message)
    except PydanticSerializationError:
        # A value that is no text in UTF-8, such as the name of a file: escaped, it passes.
        return json.dumps(adapter.dump_python(message, mode="python")).encode("ascii")


def decode(kind: type[T], data: bytes) -> T:
    """The message.

    Raises:
        NotUnderstoodError: it is none of this kind.
    """
    wanted: Any = kind
    adapter: TypeAdapter[Any] = _adapter(wanted)
    try:
        return cast("T", adapter.validate_json(data))
    except ValidationError as error:
        try:
            return cast("T", adapter.validate_python(json.loads(data)))
        except (ValueError, RecursionError):
            name = getattr(kind, "__name__", "message")
            raise NotUnderstoodError(f"no {name}: {error.error_count()} faults") from None
