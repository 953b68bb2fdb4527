"""The whole picture in pixels: where each block stands, and the way of each link."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.drawing.model import Drawing
from tidelang.drawing.svg.blocks import Block, Blocks, Frame, Link, blocks_of
from tidelang.drawing.svg.box import Box, box_of
from tidelang.drawing.svg.lanes import Lanes, lanes_of
from tidelang.drawing.svg.place import Item, place
from tidelang.drawing.svg.shape import Shape, shape_of

Point = tuple[float, float]
_BETWEEN_BLOCKS, _BETWEEN_LANES = 18.0, 9.0
_BETWEEN_COLUMNS, _STEEP = (46.0, 150.0), 0.16
"""Columns stand further apart where edges between them rise or fall more."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A block with its upper left corner."""

    block: Block
    shape: Shape
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Way:
    """A link's way. Between `points` 0 and 1, 2 and 3, … it goes straight across a
    column, between 1 and 2, 3 and 4, … it bends from one column to the next."""

    link: Link
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    boxes: tuple[Box, ...]
    blocks: tuple[Placed, ...]
    ways: tuple[Way, ...]
    inner: Blocks
    width: float
    height: float


def layout_of(drawing: Drawing) -> Layout:
    """Lays a drawing out; its upper left corner is 0, 0."""
    boxes = [box_of(node) for node in drawing.nodes]
    blocks = blocks_of(drawing)
    lanes = lanes_of(blocks)
    shapes = _shapes(blocks, lanes, boxes)
    items = [Item(shape.height + _BETWEEN_BLOCKS, lane=False) for shape in shapes]
    count = sum(map(len, lanes.columns))
    items += [Item(_BETWEEN_LANES, lane=True)] * (count - len(items))
    middles = place(items, lanes.columns, lanes.steps)
    columns = _columns(lanes, shapes, middles)
    placed = _placed(blocks, lanes, shapes, columns, middles)
    ways = [
        Way(link, _points(way, placed, columns, middles))
        for link, way in zip(blocks.links, lanes.ways, strict=True)
    ]
    height = max(middle + item.height / 2 for middle, item in zip(middles, items, strict=True))
    return Layout(tuple(boxes), placed, tuple(ways), blocks, columns[-1][1], height)


def _shapes(blocks: Blocks, lanes: Lanes, boxes: list[Box]) -> list[Shape]:
    """Boxes of one column are of one width."""
    shapes: dict[int, Shape] = {}
    for column in lanes.columns:
        members = [item for item in column if item < lanes.blocks]
        single = [blocks.blocks[at].nodes[0] for at in members if not _framed(blocks, at)]
        width = max((boxes[node].width for node in single), default=0)
        shapes |= {at: shape_of(blocks.blocks[at], boxes, width) for at in members}
    return [shapes[at] for at in range(lanes.blocks)]


def _framed(blocks: Blocks, at: int) -> bool:
    return blocks.blocks[at].frame is not Frame.NONE


def _columns(lanes: Lanes, shapes: list[Shape], middles: list[float]) -> list[tuple[float, float]]:
    """From where to where each column goes."""
    home = {item: at for at, column in enumerate(lanes.columns) for item in column}
    climb = [0.0] * len(lanes.columns)
    for source, target in lanes.steps:
        at = home[target]
        climb[at] = max(climb[at], abs(middles[source] - middles[target]))
    found, x = [], 0.0
    least, most = _BETWEEN_COLUMNS
    for at, column in enumerate(lanes.columns):
        if at:
            x += round(min(most, max(least, climb[at] * _STEEP + least * 0.7)))
        width = max((shapes[item].width for item in column if item < lanes.blocks), default=0)
        found.append((x, x + width))
        x += width
    return found


def _placed(
    blocks: Blocks,
    lanes: Lanes,
    shapes: list[Shape],
    columns: list[tuple[float, float]],
    middles: list[float],
) -> tuple[Placed, ...]:
    x = {
        item: start
        for items, (start, _) in zip(lanes.columns, columns, strict=True)
        for item in items
    }
    return tuple(
        Placed(block, shapes[at], x[at], middles[at] - shapes[at].height / 2)
        for at, block in enumerate(blocks.blocks)
    )


def _points(
    way: tuple[int, ...],
    placed: tuple[Placed, ...],
    columns: list[tuple[float, float]],
    middles: list[float],
) -> tuple[Point, ...]:
    home = {start: at for at, (start, _) in enumerate(columns)}
    first = home[placed[way[0]].x]
    start = placed[way[0]]
    points = [(start.x + start.shape.width, middles[way[0]])]
    for at, item in enumerate(way[1:], first + 1):
        points.append((columns[at - 1][1], middles[way[at - first - 1]]))
        points.append((columns[at][0], middles[item]))
    return tuple(points)
