"""What other languages write, told in Tide's words and read as what was meant.

`'…'` is read as a string, `&&` as `and`, `//` as a comment. Each is told once, with how
to write it here; nothing that follows suffers.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from tidelang.diagnostics import Fix
from tidelang.lexing.token import Token

if TYPE_CHECKING:
    from tidelang.lexing.scan import Scanner

CONSTANTS = {"True": "TRUE", "False": "FALSE", "None": "NULL"}
"""Python's words for them; the builder tells how they are written."""

_SINGLE = re.compile(r"'[^'\n]*'")
_ESCAPED = re.compile(r'\\"((?:[^"\\\n]|\\[^"\n])*)\\"')
_LINE = re.compile(r"[^\n]*")
_RUN = re.compile(r"[^\s\w\"'#{}()\[\]=:,.|<>+\-*/%;]+|[^\W\d_A-Za-z]\w*")
_WORDS = {"&&": ("AND", "and"), "||": ("OR", "or"), "!": ("NOT", "not")}


def foreign_sign(scanner: Scanner, sign: str, start: int) -> int:
    """`&&`, `||`, `//` or `/*`; returns where to read on."""
    if sign in _WORDS:
        return _word(scanner, sign, start)
    return _comment(scanner, sign, start)


def foreign_character(scanner: Scanner, character: str, start: int) -> int:
    """A character that starts nothing in Tide; returns where to read on."""
    if character == "!":
        return _word(scanner, character, start)
    if character == "'":
        return _single_quotes(scanner, start)
    if character == "\\" and scanner.frames and (quoted := _ESCAPED.match(scanner.text, start)):
        return _escaped_quotes(scanner, quoted)
    found = _RUN.match(scanner.text, start)
    end = found.end() if found else start + 1
    shown = _shown(scanner.text[start:end])
    scanner.tokens.append(Token("BROKEN", scanner.text[start:end], start, end))
    scanner.problem(
        "T002", f"{shown} means nothing here", scanner.span(start, end), notes=_why(character)
    )
    return end


def _word(scanner: Scanner, sign: str, start: int) -> int:
    type_, word = _WORDS[sign]
    end = start + len(sign)
    scanner.tokens.append(Token(type_, sign, start, end))
    after = " " if scanner.text[end : end + 1].strip() else ""
    scanner.problem(
        "T018",
        f"`{sign}` is written `{word}` here",
        scanner.span(start, end),
        fix=Fix(f"write `{word}`", scanner.span(start, end), word + after),
    )
    return end


def _comment(scanner: Scanner, sign: str, start: int) -> int:
    text = scanner.text
    if sign == "//":
        found = _LINE.match(text, start)
        end = found.end() if found else len(text)
    else:
        close = text.find("*/", start + 2)
        end = close + 2 if close >= 0 else len(text)
    scanner.problem(
        "T019",
        f"`{sign}` starts no comment here; a comment starts with `#`",
        scanner.span(start, start + 2),
        fix=Fix("write `#`", scanner.span(start, start + 2), "#") if sign == "//" else None,
    )
    return end


def _single_quotes(scanner: Scanner, start: int) -> int:
    found = _SINGLE.match(scanner.text, start)
    if found is None:
        line = _LINE.match(scanner.text, start)
        end = start + len(line[0].rstrip()) if line else start + 1
        scanner.tokens.append(Token("BROKEN", scanner.text[start:end], start, end))
        scanner.problem(
            "T017",
            'a string is written in double quotes, `"…"`',
            scanner.span(start, start + 1),
            label="and this one is not closed on its line",
        )
        return end
    inside, end = found[0][1:-1], found.end()
    if '"' in inside or "\\" in inside:
        better = f'r"""{inside}"""' if '"' in inside else f'r"{inside}"'
    else:
        better = f'"{inside}"'
    token = Token("RAW", f'r"{inside}"', start, end) if '"' in inside or "\\" in inside else None
    scanner.tokens.append(token or Token("STRING", better, start, end))
    scanner.problem(
        "T017",
        "a string is written in double quotes",
        scanner.span(start, end),
        fix=Fix(f"write `{better}`", scanner.span(start, end), better),
    )
    return end


def _escaped_quotes(scanner: Scanner, found: re.Match[str]) -> int:
    """`{{ names | join(\\", \\") }}`: as if the hole were a part of the string around it."""
    span, better = scanner.span(*found.span()), f'"{found[1]}"'
    scanner.tokens.append(Token("STRING", better, *found.span()))
    scanner.problem(
        "T002",
        "inside `{{ }}` a quote needs no `\\`",
        span,
        label="a hole is not part of the string around it",
        fix=Fix(f"write `{better}`", span, better),
    )
    return found.end()


def _shown(text: str) -> str:
    if text.isprintable():
        return f"`{text}`"
    character = text[0]
    name = unicodedata.name(character, "control character")
    return f"the character U+{ord(character):04X} ({name.lower()})"


def _why(character: str) -> tuple[str, ...]:
    if character == "$":
        return ("a name stands for itself here; `$NAME` and `${NAME}` belong in scripts",)
    if character.isalpha():
        return ("names are made of the letters a to z, digits and `_`",)
    if unicodedata.category(character) in ("Pi", "Pf", "Ps"):
        return ('a string is written in straight double quotes, `"…"`',)
    if character == "`":
        return ('a string is written `"…"`',)
    if character == "\\":
        return ("a line needs no `\\` to go on inside `( )` and `[ ]`",)
    return ()
