"""Columns, each with its blocks and the lanes of the edges that pass by them, in an
order with few crossings.

The only module that knows igraph.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from igraph import Graph

from tidelang.drawing.svg.blocks import Blocks

_SWEEPS = 200


@dataclass(frozen=True, slots=True)
class Lanes:
    """Items are numbered: first the blocks, then the lanes. A lane is where edges of one
    block cross a column: all that go on from there to further ones share it.

    `columns` are the items of each column from top to bottom, `ways` for each link the
    items it goes through, and `steps` the pairs of items in neighbouring columns."""

    blocks: int
    columns: tuple[tuple[int, ...], ...]
    ways: tuple[tuple[int, ...], ...]

    @property
    def steps(self) -> list[tuple[int, int]]:
        return sorted({pair for way in self.ways for pair in pairwise(way)})


def lanes_of(blocks: Blocks) -> Lanes:
    """Lays out the columns."""
    layers = blocks.layers()
    count = len(layers)
    lanes: dict[tuple[int, int], int] = {}
    ways = []
    for link in blocks.links:
        way = [link.source]
        for layer in range(layers[link.source] + 1, layers[link.target]):
            lane = lanes.setdefault((link.source, layer), count + len(lanes))
            way.append(lane)
        ways.append((*way, link.target))
    layers += [layer for _, layer in lanes]
    unordered = Lanes(count, (), tuple(ways))
    return Lanes(count, _columns(layers, unordered.steps), unordered.ways)


def _columns(layers: list[int], steps: list[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """igraph's layout (Sugiyama, Tagawa and Toda) gives each item a place in its layer."""
    graph = Graph(len(layers), steps, directed=True)
    places = [x for x, _ in graph.layout_sugiyama(layers=layers, maxiter=_SWEEPS)]
    columns: list[list[int]] = [[] for _ in range(max(layers) + 1)]
    for item in sorted(range(len(layers)), key=lambda item: (places[item], item)):
        columns[layers[item]].append(item)
    return tuple(map(tuple, columns))
