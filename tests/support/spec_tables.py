"""The tables of `docs/reference/language.md`, as rows of cells without their backticks."""

from __future__ import annotations

import re

_ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


def section(document: str, heading: str) -> str:
    """The text from a heading, or a line that starts so, to the next one of its level."""
    start = document.index(f"\n{heading}") + 1
    level = re.match(r"#*", heading)
    marks = len(level[0]) if level else 0
    end = rf"^#{{1,{marks}}} " if marks else r"^\*\*|^#"
    after = re.compile(end, re.MULTILINE).search(document, start + len(heading))
    return document[start : after.start() if after else len(document)]


def rows(text: str, first: str) -> list[list[str]]:
    """The rows of the first table whose head's first cell is `first`."""
    lines = text[text.index(f"| {first} |") :].split("\n\n")[0]
    return [_cells(line) for line in _ROW.findall(lines)[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|").replace("`", "") for cell in _CELL.split(line)]
