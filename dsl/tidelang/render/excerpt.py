"""The lines of a source that a diagnostic speaks of, with what it marks underlined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidelang.render.cells import cells, clean, width
from tidelang.render.style import Style
from tidelang.source import Source, Span

_LEAD = 16
"""Columns kept before a mark when a long line is cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A span to underline, with a short text beside; `main` for the mistake itself."""

    span: Span
    label: str
    main: bool


def excerpt(
    source: Source, marks: Iterable[Mark], gutter: int, room: int, style: Style
) -> list[str]:
    """The marked lines of one source in their order; `…` stands for lines between."""
    bar = style.frame(" " * gutter + " |")
    lines, last = [bar], 0
    by_line: dict[int, list[Mark]] = {}
    for mark in marks:
        by_line.setdefault(mark.span.first.line, []).append(mark)
    for number in sorted(by_line):
        if last and number > last + 1:
            lines.append(style.frame(" " * gutter + " …"))
        last = number
        lines += _line(source, number, by_line[number], gutter, room, style)
    return lines


def numbered(number: int | None, text: str, gutter: int, style: Style) -> str:
    """One line behind its number."""
    head = style.frame(f"{'' if number is None else number:>{gutter}} |")
    return f"{head} {text}".rstrip()


def _line(
    source: Source, number: int, marks: list[Mark], gutter: int, room: int, style: Style
) -> list[str]:
    text = source.line(number)
    shown = cells(text)
    main = min(marks, key=lambda mark: (not mark.main, mark.span.start))
    first, last = cut(shown, main.span.first.column - 1, room)
    body = ("…" if first else "") + "".join(shown[first:last]) + ("…" if last < len(shown) else "")
    lines = [numbered(number, body, gutter, style)]
    lines += [
        numbered(None, _underline(mark, shown, first, last, style), gutter, style)
        for mark in sorted(marks, key=lambda mark: (not mark.main, -mark.span.start))
    ]
    return lines


def cut(shown: list[str], at: int, room: int) -> tuple[int, int]:
    """Which characters of a line to show, so that the one at `at` is seen."""
    if sum(map(width, shown)) <= room:
        return 0, len(shown)
    first = min(at, len(shown))
    lead = 0
    while first and lead + width(shown[first - 1]) <= _LEAD:
        first -= 1
        lead += width(shown[first])
    last, used = first, 0
    while last < len(shown) and used + width(shown[last]) <= room - 2:
        used += width(shown[last])
        last += 1
    return first, last


def _underline(mark: Mark, shown: list[str], first: int, last: int, style: Style) -> str:
    start = mark.span.first.column - 1
    end = mark.span.last
    stop = end.column - 1 if end.line == mark.span.first.line else len(shown)
    start, stop = min(max(start, first), last), min(max(stop, first), last)
    indent = (1 if first else 0) + sum(map(width, shown[first:start]))
    length = max(1, sum(map(width, shown[start:stop])))
    sign = "^" if mark.main else "-"
    text = sign * length + (f" {clean(mark.label)}" if mark.label else "")
    return " " * indent + (style.main(text) if mark.main else style.frame(text))
