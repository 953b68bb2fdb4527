r'''The values of strings: escapes, and the indentation of long ones.

- `"…"`: `\n` `\t` `\r` `\\` `\"`, `\{{` for two braces that open no hole, `\u{1F600}` for
  any character. Another escape is a mistake, which is told with its fix; `\x41` is one
  too: it would look like a byte.
- `"""…"""` is for scripts, where `\d`, `\$`, `\n` and a `\` at a line's end belong to the
  shell: there a backslash stands for itself, but before `{{` and before `"""`, where it
  alone goes. (A backslash right before a hole is written `{{ "\\" }}{{ x }}`.)
- `r"…"` and `r"""…"""` have neither escapes nor holes.

Of a long string (`"""`, raw or not) the line end behind the opening quotes goes, and so
do the white space before the closing ones, where it stands alone on its line, and the
indentation that all its lines share. Empty lines count for nothing, a first line beside
the opening quotes keeps what it has. Line ends become `\n`, whatever the file uses.
'''

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_SHORT = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}
_ESCAPE = re.compile(r"\\(?:\{\{|u\{([^}\n\"]*)\}|(.))", re.DOTALL)
_LONG_ESCAPE = re.compile(r'\\(\{\{|""")')
_CODE_POINT = re.compile(r"[0-9A-Fa-f]{1,6}")
_HOLE = "\x00"
"""Stands for a hole while indentation is measured; no text holds one."""
_INDENTED = re.compile(r"\n([ \t]*)(?=[^ \t\n])")
_LAST_LINE = re.compile(r"\n[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class EscapeProblem:
    """`start` and `end` count from the start of the text; `better` says how to write it."""

    start: int
    end: int
    message: str
    better: str


def unescape(text: str) -> tuple[str, tuple[EscapeProblem, ...]]:
    """The value of a stretch of a `"…"` string. A wrong escape stays as it is."""
    if "\\" not in text:
        return text, ()
    problems: list[EscapeProblem] = []

    def value(match: re.Match[str]) -> str:
        escape, code, character = match[0], match[1], match[2]
        if escape == "\\{{":
            return "{{"
        if code is not None:
            return _code_point(match, problems)
        if character not in _SHORT:
            problems.append(_unknown(match))
        return _SHORT.get(character, escape)

    return _ESCAPE.sub(value, text), tuple(problems)


def _code_point(match: re.Match[str], problems: list[EscapeProblem]) -> str:
    code = match[1]
    if _CODE_POINT.fullmatch(code):
        number = int(code, 16)
        if 0 < number < 0xD800 or 0xDFFF < number <= 0x10FFFF:
            return chr(number)
    message = f"`{match[0]}` is no character; `\\u{{…}}` takes a hexadecimal number up to 10FFFF"
    problems.append(EscapeProblem(match.start(), match.end(), message, "\\" + match[0]))
    return match[0]


def _unknown(match: re.Match[str]) -> EscapeProblem:
    escape = match[0]
    return EscapeProblem(
        match.start(), match.end(), f"there is no escape `{escape}`", "\\" + escape
    )


def unescape_long(text: str) -> str:
    """The value of a stretch of a `\"""` string, its indentation apart."""
    return _LONG_ESCAPE.sub(r"\1", text) if "\\" in text else text


@dataclass(frozen=True, slots=True)
class Dedented:
    """`parts` are the texts without what goes, None where a hole stands. `mixed` is the
    place, counted from the start of all parts (a hole counts 1), of a line whose tabs and
    spaces do not agree with the others'. `margin` is the indentation they shared."""

    parts: tuple[str | None, ...]
    mixed: tuple[int, int] | None = None
    margin: str = ""


def dedent(parts: Sequence[str | None]) -> Dedented:
    """Take the shared indentation out of a long string; `None` marks a hole."""
    if len(parts) == 1 and parts[0] is not None and "\n" not in parts[0]:
        return Dedented(tuple(parts))
    whole = "".join(_HOLE if part is None else part.replace("\r\n", "\n") for part in parts)
    # The last line counts only where it has more than white space.
    counted = _LAST_LINE.sub("\n", whole) if "\n" in whole else whole
    indents = _INDENTED.findall(counted)
    shared = _shared(indents)
    mixed = None
    if any(len(indent) > len(shared) for indent in indents):
        mixed = _mixed(counted, shared, indents)
    return Dedented(_strip(parts, shared), mixed, shared)


def _shared(indents: list[str]) -> str:
    """The longest start of all of them."""
    if not indents:
        return ""
    least, most = min(indents), max(indents)
    for at, character in enumerate(least):
        if most[at] != character:
            return least[:at]
    return least


def _mixed(counted: str, shared: str, indents: list[str]) -> tuple[int, int] | None:
    """The first line whose indentation goes on otherwise than that of the first line."""
    if any(len(indent) == len(shared) for indent in indents):
        return None
    first = indents[0][len(shared)]
    for match in _INDENTED.finditer(counted):
        if match[1][len(shared)] != first:
            return match.start(1), match.end(1)
    return None


def _strip(parts: Sequence[str | None], shared: str) -> tuple[str | None, ...]:
    pattern = _margin(shared)
    out: list[str | None] = []
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if part is None:
            out.append(None)
            continue
        text = part.replace("\r\n", "\n")
        if index == last:
            text = _LAST_LINE.sub("\n", text)
        text = pattern.sub("\n", text)
        if index == 0:
            text = _without_first_line_end(text)
        out.append(text)
    return tuple(out)


def _without_first_line_end(text: str) -> str:
    stripped = text.lstrip(" \t")
    return stripped[1:] if stripped.startswith("\n") else text


@lru_cache(maxsize=64)
def _margin(shared: str) -> re.Pattern[str]:
    return re.compile(
        rf"\n(?:{re.escape(shared)}|[ \t]*(?=\n))" if shared else r"\n[ \t]*(?=\n)|\n"
    )
