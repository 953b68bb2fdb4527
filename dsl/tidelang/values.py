"""Values: what expressions give, parameters take and steps hand on.

Here a value becomes text and JSON and comes back, and is made to fit a declared type.
How values are worked out belongs to `tidelang.evaluate`, how they get into a script to
`tidelang.shell`.

Durations and sizes are numbers with a unit. In JSON they are their text (`"1h30m"`),
so that they only come back as what they were where a type says so; a `time` and a
`file` are text everywhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from tidelang.definition import Json, Type


class Duration(int):
    """Milliseconds. The sum and difference of two durations, a negated one and one
    multiplied by a whole number are durations; all other arithmetic gives plain numbers.
    """

    __slots__ = ()

    def __add__(self, other: int) -> int:
        return _keep(self, other, int(self) + int(other))

    def __sub__(self, other: int) -> int:
        return _keep(self, other, int(self) - int(other))

    def __mul__(self, other: int) -> int:
        return _scaled(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Duration:
        return Duration(-int(self))

    def __repr__(self) -> str:
        return f"Duration({int(self)})"

    def __str__(self) -> str:
        return duration_text(self)


class Size(int):
    """Bytes, with the arithmetic of `Duration`."""

    __slots__ = ()

    def __add__(self, other: int) -> int:
        return _keep(self, other, int(self) + int(other))

    def __sub__(self, other: int) -> int:
        return _keep(self, other, int(self) - int(other))

    def __mul__(self, other: int) -> int:
        return _scaled(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return Size(-int(self))

    def __repr__(self) -> str:
        return f"Size({int(self)})"

    def __str__(self) -> str:
        return size_text(self)


@dataclass(frozen=True, slots=True)
class SecretName:
    """What a worker looks up."""

    name: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that nobody but the worker knows: stretches that stand in the file, and names
    of secrets. It has no text and no JSON, so that it gets into neither."""

    parts: tuple[str | SecretName, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, SecretName))

    def text(self, known: Mapping[str, str]) -> str:
        """The text, for the worker alone. Raises KeyError for a name that is not known."""
        parts = (part if isinstance(part, str) else known[part.name] for part in self.parts)
        return "".join(parts)


Value = (
    None | bool | int | float | str | Duration | Size | Secret | list["Value"] | dict[str, "Value"]
)


def _keep(one: int, other: int, result: int) -> int:
    if not isinstance(other, int):
        return NotImplemented
    return type(one)(result) if type(one) is type(other) else result


def _scaled(one: int, factor: int) -> int:
    if not isinstance(factor, int):
        return NotImplemented
    result = int(one) * int(factor)
    return type(one)(result) if type(factor) is int else result


# --- durations and sizes ---------------------------------------------------------

_DURATION_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_READ_UNITS = _DURATION_UNITS | {"w": 7 * _DURATION_UNITS["d"]}
_BINARY_UNITS = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_SIZE_UNITS = _BINARY_UNITS | {
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "kB": 10**3,
    "KB": 10**3,
    "B": 1,
}
_DURATION_PART = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ms|[wdhms])", re.ASCII)
_SIZE = re.compile(r"([+-]?)(\d{1,20}(?:\.\d{1,9})?) ?([kKMGT]?i?B)?", re.ASCII)


def duration_text(milliseconds: int) -> str:
    """`1h30m`: the largest units first, none of them twice; `parse_duration` reads it."""
    left, parts = abs(int(milliseconds)), []
    for unit, length in _DURATION_UNITS.items():
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if milliseconds < 0 else "") + ("".join(parts) or "0s")


def parse_duration(text: str) -> Duration:
    """Read `1h30m`, `500ms`, `1.5s`; ValueError for anything else."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    total, at = Decimal(0), 0
    while match := _DURATION_PART.match(rest, at):
        total += Decimal(match[1]) * _READ_UNITS[match[2]]
        at = match.end()
    if at == 0 or at != len(rest) or total != int(total):
        raise ValueError(f"expected a duration such as 90s or 1h30m, not {shown(text)}")
    return Duration(sign * int(total))


def size_text(size: int) -> str:
    """`512MiB` where a binary unit fits exactly, else bytes: `1000B`."""
    for unit, length in _BINARY_UNITS.items():
        if size and int(size) % length == 0:
            return f"{int(size) // length}{unit}"
    return f"{int(size)}B"


def parse_size(text: str) -> Size:
    """Read `512MiB`, `10MB`, `1.5GiB` or a number of bytes; ValueError for anything else."""
    match = _SIZE.fullmatch(text)
    unit = _SIZE_UNITS.get(match[3] or "B") if match else None
    if match is None or unit is None:
        raise ValueError(f"expected a size such as 512MiB or 10MB, not {shown(text)}")
    size = Decimal(match[2]) * unit
    if size != int(size):
        raise ValueError(f"expected a whole number of bytes, not {shown(text)}")
    return Size(int(size) * (-1 if match[1] == "-" else 1))


# --- text and JSON ---------------------------------------------------------------


def shown(value: Value) -> str:
    """A value as a message quotes it: JSON, shortened to 40 characters."""
    text = json.dumps(to_json(value), ensure_ascii=False)
    return text if len(text) <= 40 else text[:36] + " …" + text[-1]


def to_text(value: Value) -> str:
    """How a value looks in text, in an environment variable and in an argument.

    Lists and objects are compact JSON, None is empty. `parse_text` reads it back."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Duration | Size):
        return str(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float_text(value)
    return json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":"))


def _float_text(value: float) -> str:
    """`repr` without its exponent: no shell tool reads `1e+22`."""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


def to_json(value: Value) -> Json:
    """The value as JSON can hold it: durations and sizes become their text."""
    if isinstance(value, Duration | Size):
        return str(value)
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, Secret):
        raise TypeError("a secret has no JSON: only a worker knows it")
    return value


def to_setting(value: Value) -> Json:
    """The value as a plugin's settings get it: JSON, with durations as seconds and sizes
    as bytes, which is what pydantic makes its own types of."""
    if isinstance(value, Duration):
        return value // 1_000 if value % 1_000 == 0 else int(value) / 1_000
    if isinstance(value, Size):
        return int(value)
    if isinstance(value, list | tuple):
        return [to_setting(item) for item in value]
    if isinstance(value, dict):
        return {key: to_setting(item) for key, item in value.items()}
    return to_json(value)


def from_json(json: Json, type: Type) -> Value:  # noqa: A002  the words of the definition
    """A value read back from JSON, as its declared type; ValueError if it does not fit."""
    return conform(cast("Value", json), type)


# --- types -----------------------------------------------------------------------

_NAMES = {
    "string": ("a string", "strings"),
    "int": ("a whole number", "whole numbers"),
    "float": ("a number", "numbers"),
    "bool": ("true or false", "booleans"),
    "duration": ("a duration such as 90s or 1h30m", "durations"),
    "size": ("a size such as 512MiB", "sizes"),
    "time": ("a time such as 2026-03-01T14:00:00Z", "times"),
    "file": ("a file", "files"),
    "secret": ("a secret", "secrets"),
    "any": ("any value", "values"),
}


def describe(type: Type) -> str:  # noqa: A002
    """The type in words that fit behind "expected": `a whole number from 1 to 16`."""
    if type.name == "enum":
        return _choices(type)
    if type.name in ("list", "map"):
        inner = _plural(type.of) if type.of else "values"
        return f"a {type.name} of {inner}"
    return _NAMES[type.name][0] + _bounds(type)


def _plural(type: Type) -> str:  # noqa: A002
    if type.name == "enum":
        return "strings, each " + _choices(type)
    if type.name in ("list", "map"):
        return f"{type.name}s of {_plural(type.of) if type.of else 'values'}"
    return _NAMES[type.name][1] + _bounds(type)


def _choices(type: Type) -> str:  # noqa: A002
    quoted = [json.dumps(member, ensure_ascii=False) for member in type.members]
    if len(quoted) < 2:
        return quoted[0] if quoted else "nothing"
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _bounds(type: Type) -> str:  # noqa: A002
    if type.low is not None and type.high is not None:
        return f" from {to_text(type.low)} to {to_text(type.high)}"
    if type.low is not None:
        return f" of at least {to_text(type.low)}"
    return "" if type.high is None else f" of at most {to_text(type.high)}"


def _wrong(value: Value, type: Type) -> ValueError:  # noqa: A002
    return ValueError(f"expected {describe(type)}, not {shown(value)}")


# --- to a declared type ----------------------------------------------------------

_INT = re.compile(r"[+-]?\d{1,400}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d{1,400}(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def parse_text(text: str, type: Type) -> Value:  # noqa: A002
    """A value from text that a person or a script wrote, as in `-p name=value`.

    Lists, maps and `any` are JSON; text that is no JSON is a string where `any` is
    wanted. ValueError says what was expected."""
    if type.name in ("list", "map", "any"):
        return conform(_loads(text, type), type)
    if type.name == "bool":
        if text not in ("true", "false"):
            raise _wrong(text, type)
        return text == "true"
    if type.name == "int" and _INT.fullmatch(text):
        return conform(int(text), type)
    if type.name == "float" and _FLOAT.fullmatch(text):
        return conform(float(text), type)
    return conform(text, type)


def _no_constant(name: str) -> Value:
    raise ValueError(f"it has no {name}")


def _loads(text: str, type: Type) -> Value:  # noqa: A002
    try:
        return cast("Value", json.loads(text, parse_constant=_no_constant))
    except RecursionError:
        raise ValueError(f"expected {describe(type)}; this JSON is nested too deeply") from None
    except ValueError as error:
        if type.name == "any":
            return text
        raise ValueError(f"expected {describe(type)} as JSON; this is not JSON: {error}") from None


def conform(value: Value, type: Type) -> Value:  # noqa: A002
    """The value as the declared type has it; ValueError says what was expected.

    Nothing is guessed: a string does not become a number nor a number a string. A whole
    number fits `float`, `3.0` fits `int`, and text fits `duration`, `size` and `time`."""
    return _CONFORM[type.name](value, type)


def _text(value: Value, type: Type) -> Value:  # noqa: A002
    if not isinstance(value, str):
        raise _wrong(value, type)
    return value


def _bool(value: Value, type: Type) -> Value:  # noqa: A002
    if not isinstance(value, bool):
        raise _wrong(value, type)
    return value


def _number(value: Value, type: Type) -> Value:  # noqa: A002
    if isinstance(value, bool | Duration | Size) or not isinstance(value, int | float):
        raise _wrong(value, type)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected {describe(type)}, not {value}")
    number = _int(value, type) if type.name == "int" else _float(value, type)
    if (type.low is not None and number < type.low) or (
        type.high is not None and number > type.high
    ):
        raise _wrong(value, type)
    return number


def _int(value: float, type: Type) -> int:  # noqa: A002
    if value != int(value):
        raise _wrong(value, type)
    return int(value)


def _float(value: float, type: Type) -> float:  # noqa: A002
    try:
        return float(value)
    except OverflowError:
        raise _wrong(value, type) from None


def _duration(value: Value, type: Type) -> Value:  # noqa: A002
    if isinstance(value, str):
        return parse_duration(value)
    if not isinstance(value, Duration):
        raise _wrong(value, type)
    return value


def _size(value: Value, type: Type) -> Value:  # noqa: A002
    if isinstance(value, str):
        return parse_size(value)
    if not isinstance(value, Size):
        raise _wrong(value, type)
    return value


def _time(value: Value, type: Type) -> Value:  # noqa: A002
    try:
        if isinstance(value, str):
            datetime.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise _wrong(value, type)


def _enum(value: Value, type: Type) -> Value:  # noqa: A002
    if not isinstance(value, str) or value not in type.members:
        raise _wrong(value, type)
    return value


def _list(value: Value, type: Type) -> Value:  # noqa: A002
    if not isinstance(value, list | tuple):
        raise _wrong(value, type)
    return [_member(f"item {at}", item, type.of) for at, item in enumerate(value, 1)]


def _map(value: Value, type: Type) -> Value:  # noqa: A002
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _wrong(value, type)
    return {key: _member(shown(key), item, type.of) for key, item in value.items()}


def _member(place: str, value: Value, type: Type | None) -> Value:  # noqa: A002
    try:
        return value if type is None else conform(value, type)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _any(value: Value, _: Type) -> Value:
    return value


_CONFORM: dict[str, Callable[[Value, Type], Value]] = {
    "string": _text,
    "file": _text,
    "secret": _text,
    "int": _number,
    "float": _number,
    "bool": _bool,
    "duration": _duration,
    "size": _size,
    "time": _time,
    "enum": _enum,
    "list": _list,
    "map": _map,
    "any": _any,
}
