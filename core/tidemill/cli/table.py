"""Columns of plain text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence

Painter = Callable[[int, int, str], str]
"""Row (from 0, the head is -1), column and padded text to coloured text."""


def columns(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str] = frozenset(),
    paint: Painter = lambda _row, _column, text: text,
) -> Iterator[str]:
    """The lines of a table; columns that are empty in every row are left out."""
    used = [c for c in range(len(head)) if any(row[c] for row in rows)]
    widths = {c: max(width(head[c]), *(width(row[c]) for row in rows)) for c in used}
    for at, row in enumerate([head, *rows], start=-1):
        cells = (paint(at, c, _padded(row[c], widths[c], to_right=head[c] in right)) for c in used)
        yield "  ".join(cells).rstrip()


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _padded(text: str, to: int, *, to_right: bool) -> str:
    space = " " * (to - width(text))
    return space + text if to_right else text + space
