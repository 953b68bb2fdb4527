"""A step's box, as SVG."""

from __future__ import annotations

from collections.abc import Iterator

from tidelang.drawing.model import Kind, Node
from tidelang.drawing.svg.box import NAME_LINE, SMALL_LINE, Box
from tidelang.drawing.svg.shape import Cell
from tidelang.drawing.svg.tags import tag, text, title

_CARD = 4.0
"""How far the card behind a fanned-out step looks out."""
_SIDE, _RADIUS = 6.0, 6.0


def step(node: Node, box: Box, cell: Cell) -> str:
    """The box with its words; pointing at it shows the details."""
    parts = [title(node.name, *node.details), *_outline(node, cell), *_words(box, cell)]
    classes = f"cell {node.kind}{' conditional' if node.conditional else ''}"
    return tag("g", "".join(parts), class_=classes)


def _outline(node: Node, cell: Cell) -> Iterator[str]:
    if node.fan:
        yield _rect(node, cell, cell.x + _CARD, cell.y + _CARD)
    yield _rect(node, cell, cell.x, cell.y)
    if node.kind is Kind.SUBRUN:
        for x in (cell.x + _SIDE, cell.x + cell.width - _SIDE):
            yield tag("line", class_="side", x1=x, x2=x, y1=cell.y, y2=cell.y + cell.height)


def _rect(node: Node, cell: Cell, x: float, y: float) -> str:
    radius = cell.height / 2 if node.kind is Kind.APPROVAL else _RADIUS
    return tag("rect", class_="box", x=x, y=y, width=cell.width, height=cell.height, rx=radius)


def _words(box: Box, cell: Cell) -> Iterator[str]:
    x = cell.x + cell.width / 2
    y = cell.y + (cell.height - len(box.names) * NAME_LINE - len(box.remarks) * SMALL_LINE) / 2
    for at, line in enumerate(box.names):
        yield text(line, "name", x, y + at * NAME_LINE + 13)
    y += len(box.names) * NAME_LINE
    for at, line in enumerate(box.remarks):
        yield text(line, "small", x, y + at * SMALL_LINE + 10)
