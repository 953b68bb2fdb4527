"""How wide characters are, and how those that must not reach a terminal are shown.

Nothing a source holds can move the cursor, colour the screen or turn the reading order
round: control and format characters are shown as escapes.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

TAB = 4


def clean(text: str) -> str:
    """The text with what a terminal would act on shown as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _escape(character) for character in text)


def cells(line: str) -> list[str]:
    """What is shown for each character of a line; tabs go to the next stop."""
    shown, column = [], 0
    for character in line:
        text = " " * (TAB - column % TAB) if character == "\t" else clean(character)
        shown.append(text)
        column += width(text)
    return shown


def width(text: str) -> int:
    """The columns that a clean text takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{{{number:x}}}"
