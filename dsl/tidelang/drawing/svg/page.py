"""The SVG itself: a heading, frames, arrows and boxes on a page that fits them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tidelang.drawing.model import Drawing, counted
from tidelang.drawing.svg.blocks import Frame
from tidelang.drawing.svg.edge import MARKERS, across, arrow, hop, said
from tidelang.drawing.svg.layout import Layout, Placed, layout_of
from tidelang.drawing.svg.measure import text_width
from tidelang.drawing.svg.shape import Cell
from tidelang.drawing.svg.step import step
from tidelang.drawing.svg.style import STYLE
from tidelang.drawing.svg.tags import number, tag, text, title

MOST_STEPS = 3_000
"""More make a picture that nobody can look at, and take long to lay out."""
_MARGIN, _HEADING = 24.0, 36.0
_HEAD_SIZE = 15.0
_CAPTIONS = {Frame.SIDE_BY_SIDE: "with the same needs", Frame.IN_A_ROW: "in a row"}


class TooLargeError(ValueError):
    """The pipeline has more steps than a picture can show."""


def render(drawing: Drawing) -> str:
    """The picture, the same bytes for the same drawing.

    Raises:
        TooLargeError: it has more than `MOST_STEPS` steps.
    """
    if len(drawing.nodes) > MOST_STEPS:
        raise TooLargeError(
            f"{len(drawing.nodes):,} steps are too many for a picture: {MOST_STEPS:,} at most"
        )
    layout = layout_of(drawing)
    heading = text_width(drawing.name, _HEAD_SIZE) + 8
    width = max(layout.width, heading) + 2 * _MARGIN
    height = layout.height + _HEADING + 2 * _MARGIN
    inside = "".join(
        (
            title(f"Pipeline {drawing.name}", *filter(None, [drawing.description])),
            tag("style", STYLE),
            tag("defs", MARKERS),
            tag("rect", class_="page", width=width, height=height),
            text(drawing.name, "name head", _MARGIN, _MARGIN + _HEAD_SIZE),
            *_content(drawing, layout),
        )
    )
    size = f'width="{number(width)}" height="{number(height)}"'
    box = f'viewBox="0 0 {number(width)} {number(height)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">{inside}</svg>\n'


def _content(drawing: Drawing, layout: Layout) -> Iterator[str]:
    right, down = _MARGIN, _MARGIN + _HEADING
    for placed in layout.blocks:
        if placed.block.frame is not Frame.NONE:
            yield _frame(placed, right, down)
    for way in layout.ways:
        edges = way.link.edges
        yield arrow(across(way, right, down), data=way.link.data, words=said(drawing, edges))
    for placed in layout.blocks:
        cells = [_moved(cell, placed, right, down) for cell in placed.shape.cells]
        if placed.block.frame is Frame.IN_A_ROW:
            yield from _hops(drawing, layout, cells)
        for cell in cells:
            yield step(drawing.nodes[cell.node], layout.boxes[cell.node], cell)


def _frame(placed: Placed, right: float, down: float) -> str:
    x, y, shape = placed.x + right, placed.y + down, placed.shape
    caption = f"{counted(len(placed.block.nodes), 'step')} {_CAPTIONS[placed.block.frame]}"
    rect = tag("rect", class_="frame", x=x, y=y, width=shape.width, height=shape.height, rx=8.0)
    return rect + text(caption, "small", x + 12, y + 18)


def _moved(cell: Cell, placed: Placed, right: float, down: float) -> Cell:
    x, y = cell.x + placed.x + right, cell.y + placed.y + down
    return Cell(cell.node, x, y, cell.width, cell.height)


def _hops(drawing: Drawing, layout: Layout, cells: list[Cell]) -> Iterator[str]:
    inner = {(edge.source, edge.target): edge for edge in layout.inner.inner}
    for one, two in pairwise(cells):
        edge = inner[one.node, two.node]
        yield arrow(hop(one, two), data=edge.data, words=said(drawing, [edge]))
