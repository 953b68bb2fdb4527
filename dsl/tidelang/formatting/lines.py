"""Lines that are written, and what is aligned among them: `=` and comments."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.render.cells import width

COLUMNS = 100
"""What a line should fit in."""

WIDEST_NAME = 40
"""A longer name stands apart: it would push its neighbours' values out of sight."""


@dataclass(slots=True)
class Line:
    """`comment`: the one beside the code. `whole`: an entry and nothing else, whose
    comment is aligned with those of its neighbours; `indent` is then where it begins."""

    text: str
    comment: str = ""
    whole: bool = False
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """`name = value` on one line: which line, the place behind the name in its text, and
    how wide the name and the whole line are."""

    line: int
    place: int
    name: int
    width: int


def align_settings(lines: list[Line], run: list[Setting]) -> None:
    """Puts the `=` of neighbouring lines below each other. A line that would get too
    long for it stays as it is, and parts the others."""
    widest = max(each.name for each in run)
    part: list[Setting] = []
    for each in run:
        if each.name < widest and each.width <= COLUMNS < each.width + widest - each.name:
            _align(lines, part)
            part = []
        else:
            part.append(each)
    _align(lines, part)


def _align(lines: list[Line], run: list[Setting]) -> None:
    widest = max((each.name for each in run), default=0)
    for each in run:
        text = lines[each.line].text
        padding = " " * (widest - each.name)
        lines[each.line].text = text[: each.place] + padding + text[each.place :]


def align_comments(lines: list[Line]) -> None:
    """Puts the comments beside neighbouring lines below each other, and into the text."""
    run: list[Line] = []
    for line in lines:
        if run and not (line.comment and line.whole and line.indent == run[0].indent):
            _beside(run)
            run = []
        if line.comment and line.whole and width(line.text) <= COLUMNS:
            run.append(line)
        elif line.comment:
            line.text += f"  {line.comment}"
    _beside(run)


def _beside(run: list[Line]) -> None:
    widths = [width(line.text) for line in run]
    for line, taken in zip(run, widths, strict=True):
        line.text += " " * (max(widths) - taken + 2) + line.comment
