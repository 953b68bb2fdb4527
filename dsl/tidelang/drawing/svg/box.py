"""The box of one step: its lines of text, and how large they make it."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.drawing.model import Kind, Node
from tidelang.drawing.svg.measure import NAME, SMALL, text_width, wrapped
from tidelang.render.cells import clean

NAME_LINE, SMALL_LINE = 17.0, 14.0
_PAD_X, _PAD_Y = 12.0, 8.0
_ROOM = 190.0
"""How wide a line of text may be before it is broken."""
_NARROWEST = 40.0
_MORE_SIDE = {Kind.COMMAND: 0.0, Kind.APPROVAL: 6.0, Kind.SUBRUN: 6.0}
"""What its shape takes on each side."""


@dataclass(frozen=True, slots=True)
class Box:
    """`names` and `remarks` are lines; width and height in pixels."""

    names: tuple[str, ...]
    remarks: tuple[str, ...]
    width: float
    height: float


def box_of(node: Node) -> Box:
    """As large as the text needs."""
    names = wrapped(clean(node.name), NAME, _ROOM)
    text = " · ".join(map(clean, node.remarks))
    remarks = wrapped(text, SMALL, _ROOM) if text else []
    widths = [text_width(line, NAME) for line in names]
    widths += [text_width(line, SMALL) for line in remarks]
    width = max(_NARROWEST, *widths) + 2 * (_PAD_X + _MORE_SIDE[node.kind])
    height = len(names) * NAME_LINE + len(remarks) * SMALL_LINE + 2 * _PAD_Y
    return Box(tuple(names), tuple(remarks), round(width), height)
