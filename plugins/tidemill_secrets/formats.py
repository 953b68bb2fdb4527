"""Reading pairs of names and values, written as dotenv or JSON.

An error names a line or a secret, and never what stands there. What could be meant in two
ways is refused: a secret that is cut off without a word costs an evening.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PAIR = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z0-9_./-]+)[ \t]*=[ \t]*")
_SINGLE = re.compile(r"'(?P<text>[^']*)'")
_DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_PLAIN = re.compile(r"(?P<text>[^\n]*)(?:\n|\Z)")
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class FormatError(ValueError):
    """The text is not what it should be."""


def read_json(text: str) -> dict[str, Any]:
    """The members of one object. What they are is looked at when one is asked for."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except FormatError:
        raise
    except ValueError:  # its own text may quote what stands there
        raise FormatError("it is no JSON") from None
    except RecursionError:
        raise FormatError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise FormatError("it is no JSON object")
    return found


def read_dotenv(text: str) -> dict[str, str]:
    """`NAME = value` in each line; `#` begins a comment. A value in double quotes may have
    `\\n`, `\\"` and lines of its own; in single quotes it stands as it is. `$` means nothing."""
    found: dict[str, str] = {}
    for line, name, value in _pairs(text.replace("\r\n", "\n")):
        if name in found:
            raise FormatError(f"line {line}: {name} stands there twice")
        found[name] = value
    return found


def _pairs(text: str) -> Iterator[tuple[int, str, str]]:
    at = 0
    while at < len(text):
        if nothing := _NOTHING.match(text, at):
            at = nothing.end()
            continue
        line = text.count("\n", 0, at) + 1
        start = _PAIR.match(text, at)
        if start is None:
            raise FormatError(f"line {line} is not of the form NAME = value")
        value, at = _value(text, start.end(), line)
        yield line, start["name"], value


def _value(text: str, at: int, line: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote not in {"'", '"'} or not quote:
        return _unquoted(text, at, line)
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, at)
    rest = _REST.match(text, quoted.end()) if quoted else None
    if quoted is None or rest is None:
        raise FormatError(f"line {line}: the quotes do not enclose the whole value")
    value = quoted["text"]
    if quote == '"':
        value = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), value)
    return value, rest.end()


def _unquoted(text: str, at: int, line: int) -> tuple[str, int]:
    plain = _PLAIN.match(text, at)
    assert plain is not None  # noqa: S101  it matches everything
    value = plain["text"].strip(" \t")
    if " #" in value or "\t#" in value:
        raise FormatError(f"line {line}: put the value in quotes, so that it is clear what # is")
    return value, plain.end()


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"{twice} stands there twice")
    return dict(pairs)
