"""Putting values into a woven script when its step starts.

The values travel as environment variables. What the system cannot pass is found here,
before a process fails with "Argument list too long" and no hint at what was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidelang.definition import Script, Variable
from tidelang.values import Duration, Secret, Size, Value, to_text

STRING_LIMIT = 131_072 - 1
"""Bytes of one argument or one `NAME=value`: Linux's MAX_ARG_STRLEN less the NUL behind it."""

TOTAL_LIMIT = 2_097_152 - 131_072
"""Bytes of all arguments and variables: Linux's usual limit, less room for what the
system and the executor add."""

_POINTER = 8
_WAY_OUT = "write it to a file and pass the file, as an output of type file does"


class FillError(ValueError):
    """A value that cannot be passed to a process; the message says which and the way out."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A script as the interpreter gets it, with the variables that it refers to; the
    worker puts the `secrets` beside those of `env`."""

    text: str
    env: dict[str, str]
    secrets: dict[str, Secret]


def fill(script: Script, values: Sequence[Value]) -> Filled:
    """Put `values` (one for each of `script.variables`, in order) into the script."""
    env: dict[str, str] = {}
    secrets: dict[str, Secret] = {}
    pasted: dict[int, str] = {}
    placed = {part for part in script.parts if isinstance(part, int)}
    for index, (variable, value) in enumerate(zip(script.variables, values, strict=True)):
        if isinstance(value, Secret):
            secrets[variable.name] = _secret(variable, value)
        elif variable.kind == "raw":
            pasted[index] = raw_text(value)
        elif variable.kind == "words":
            names = _words(variable.name, value, env) if index in placed else []
            pasted[index] = " ".join(f'"${name}"' for name in names)
        else:
            env[variable.name] = _KINDS[variable.kind](variable.name, value)
    text = "".join(pasted[part] if isinstance(part, int) else part for part in script.parts)
    check_environment(env, () if script.in_file else (text,))
    if script.in_file:
        _encoded("the script", text)
    return Filled(text, env, secrets)


def _secret(variable: Variable, value: Secret) -> Secret:
    if variable.kind != "value":
        raise FillError(f"the value of {variable.name} is a secret, and none may stand there")
    return value


def _words(name: str, value: Value, env: dict[str, str]) -> list[str]:
    """Add one variable for each item, and say their names. What is no list is one item."""
    items = value if isinstance(value, list | tuple) else [value]
    words = {f"{name}_{at}": to_text(item) for at, item in enumerate(items)}
    env.update(words)
    return list(words)


def _scalar(name: str, value: Value) -> str:
    if isinstance(value, list | tuple):
        raise FillError(
            f'the value of {called(name)} is a list here; make it one text: | join(" ")'
        )
    return to_text(value)


def _number(name: str, value: Value) -> str:
    """Only what cannot be code in `$(( ))`, whose names and subscripts a shell evaluates."""
    known = isinstance(value, int | float) and not isinstance(value, bool | Duration | Size)
    if not known or not math.isfinite(value):  # type: ignore[arg-type]
        raise FillError(
            f"the value of {called(name)} is not a number, and only a number may stand there"
        )
    return to_text(value)


def _quoted(_: str, value: Value) -> str:
    """The text as one word of a second shell; a list as several."""
    items = value if isinstance(value, list | tuple) else [value]
    return " ".join(quote(to_text(item)) for item in items)


_KINDS = {"value": _scalar, "number": _number, "quoted": _quoted}


_HOLE = re.compile(r"TIDE_V(\d+)(_\d+)?")


def called(name: str) -> str:
    """A variable as the pipeline's author knows it: the holes of a script have names that
    stand nowhere in the file."""
    hole = _HOLE.fullmatch(name)
    if hole is None:
        return name
    nth = int(hole[1]) + 1
    ending = "th" if 10 <= nth % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"the {nth}{ending} {{{{ … }}}} of the script"


def raw_text(value: Value) -> str:
    """What `| raw` pastes: the text, of a list its items with spaces between."""
    items = value if isinstance(value, list | tuple) else [value]
    return " ".join(map(to_text, items))


def quote(text: str) -> str:
    """`text` as one word of any POSIX shell. Always in quotes, so that `if`, `a=b` or a
    `2` before a `>` are nothing but text."""
    return "'" + text.replace("'", "'\\''") + "'"


# --- what the system can pass ----------------------------------------------------


def check_argv(items: Iterable[str]) -> None:
    """Raise FillError for arguments that no process can be started with."""
    check_environment({}, items)


def check_environment(env: Mapping[str, str], argv: Iterable[str] = ()) -> None:
    """Raise FillError for variables and arguments that no process can be started with."""
    total = 0
    for name, value in env.items():
        total += _sized(f"the value of {called(name)}", f"{name}={value}")
    for at, item in enumerate(argv):
        total += _sized("the script" if "\n" in item else f"argument {at}", item)
    if total > TOTAL_LIMIT:
        raise FillError(
            f"the values come to {total:,} bytes, and the system passes at most "
            f"{TOTAL_LIMIT:,} to a process; write the largest to a file and pass the file"
        )


def _sized(what: str, text: str) -> int:
    size = len(_encoded(what, text))
    if size > STRING_LIMIT:
        raise FillError(
            f"{what} has {size:,} bytes, and the system passes at most {STRING_LIMIT:,} "
            f"in one piece; {_WAY_OUT}"
        )
    return size + 1 + _POINTER


def _encoded(what: str, text: str) -> bytes:
    if "\0" in text:
        raise FillError(f"{what} holds a NUL character, which the system cannot pass; {_WAY_OUT}")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise FillError(
            f"{what} holds half a character (a lone surrogate), which cannot be encoded; {_WAY_OUT}"
        ) from None
