"""How large a block is, and where its steps stand in it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from tidelang.drawing.svg.blocks import Block, Frame
from tidelang.drawing.svg.box import Box

_SHAPE = 1.7
"""Width to height of a frame."""
_PAD, _CAPTION = 12.0, 20.0
_GAP = {Frame.NONE: 0.0, Frame.SIDE_BY_SIDE: 10.0, Frame.IN_A_ROW: 24.0}


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a node's box is, from the block's upper left corner."""

    node: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Shape:
    width: float
    height: float
    cells: tuple[Cell, ...]


def shape_of(block: Block, boxes: list[Box], width: float) -> Shape:
    """A step of its own takes the `width` of its column's boxes."""
    if block.frame is Frame.NONE:
        (node,) = block.nodes
        height = boxes[node].height
        return Shape(width, height, (Cell(node, 0, 0, width, height),))
    return _grid(block, boxes)


def _grid(block: Block, boxes: list[Box]) -> Shape:
    """Row by row, as one reads."""
    wide = max(boxes[node].width for node in block.nodes)
    gap = _GAP[block.frame]
    tall = max(boxes[node].height for node in block.nodes)
    columns = _columns(len(block.nodes), wide + gap, tall + gap)
    rows = ceil(len(block.nodes) / columns)
    cells = tuple(
        Cell(
            node,
            _PAD + at % columns * (wide + gap),
            _CAPTION + _PAD + at // columns * (tall + gap),
            wide,
            tall,
        )
        for at, node in enumerate(block.nodes)
    )
    width = columns * (wide + gap) - gap + 2 * _PAD
    height = rows * (tall + gap) - gap + 2 * _PAD + _CAPTION
    return Shape(width, height, cells)


def _columns(count: int, wide: float, tall: float) -> int:
    columns = max(1, round(sqrt(count * _SHAPE * tall / wide)))
    return ceil(count / ceil(count / columns))
