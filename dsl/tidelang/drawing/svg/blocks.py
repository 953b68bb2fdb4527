"""What is placed as one: a step, or a frame of steps that would only repeat each other.

Steps with the same neighbours on both sides have one arrow to their frame and one from
it; so has a long chain, whose steps follow each other within the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tidelang.drawing.model import Drawing, Edge

_SIDE_BY_SIDE = 7
_IN_A_ROW = 13
"""So many steps, or more, share a frame."""


class Frame(Enum):
    """How the steps of a block belong together."""

    NONE = 0
    SIDE_BY_SIDE = 1
    IN_A_ROW = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Nodes (indices) in their order; without a frame it is one."""

    nodes: tuple[int, ...]
    frame: Frame = Frame.NONE


@dataclass(frozen=True, slots=True)
class Link:
    """All the edges from one block to another; `source` and `target` are blocks."""

    source: int
    target: int
    edges: tuple[Edge, ...]

    @property
    def data(self) -> bool:
        return any(edge.data for edge in self.edges)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks in an order in which each stands behind those it waits for. `inner` are the
    edges that no link has: those within a chain."""

    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    inner: tuple[Edge, ...]

    def layers(self) -> list[int]:
        """The column of each block."""
        before: list[list[int]] = [[] for _ in self.blocks]
        for link in self.links:
            before[link.target].append(link.source)
        layer = [0] * len(self.blocks)
        for at, sources in enumerate(before):
            layer[at] = max((layer[source] + 1 for source in sources), default=0)
        return layer


def blocks_of(drawing: Drawing) -> Blocks:
    """The drawing with frames where they help."""
    before: list[list[int]] = [[] for _ in drawing.nodes]
    behind: list[list[int]] = [[] for _ in drawing.nodes]
    for edge in drawing.edges:
        before[edge.target].append(edge.source)
        behind[edge.source].append(edge.target)
    frames = [*_side_by_side(before, behind), *_chains(before, behind)]
    framed = {node for block in frames for node in block.nodes}
    singles = [Block((node,)) for node in range(len(drawing.nodes)) if node not in framed]
    return _linked(drawing, _sorted([*frames, *singles], drawing))


def _side_by_side(before: list[list[int]], behind: list[list[int]]) -> Iterator[Block]:
    alike: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for node, (sources, targets) in enumerate(zip(before, behind, strict=True)):
        alike.setdefault((tuple(sources), tuple(targets)), []).append(node)
    for nodes in alike.values():
        if len(nodes) >= _SIDE_BY_SIDE:
            yield Block(tuple(nodes), Frame.SIDE_BY_SIDE)


def _chains(before: list[list[int]], behind: list[list[int]]) -> Iterator[Block]:
    """Nodes that follow each other with nothing going off between them."""

    def goes_on(node: int) -> bool:
        return len(behind[node]) == 1 and len(before[behind[node][0]]) == 1

    for first in range(len(before)):
        if len(before[first]) == 1 and goes_on(before[first][0]):
            continue
        chain = [first]
        while goes_on(chain[-1]):
            chain += behind[chain[-1]]
        if len(chain) >= _IN_A_ROW:
            yield Block(tuple(chain), Frame.IN_A_ROW)


def _sorted(blocks: list[Block], drawing: Drawing) -> list[Block]:
    layers = drawing.layers()
    return sorted(blocks, key=lambda block: (layers[block.nodes[0]], block.nodes[0]))


def _linked(drawing: Drawing, blocks: list[Block]) -> Blocks:
    """The nodes of a frame have their needs in earlier layers than its first one, or in
    the frame: so the order by the first one's layer is one of the blocks too."""
    home = {node: at for at, block in enumerate(blocks) for node in block.nodes}
    found: dict[tuple[int, int], list[Edge]] = {}
    inner = []
    for edge in drawing.edges:
        ends = home[edge.source], home[edge.target]
        if ends[0] == ends[1]:
            inner.append(edge)
        else:
            found.setdefault(ends, []).append(edge)
    links = tuple(Link(*ends, tuple(edges)) for ends, edges in sorted(found.items()))
    return Blocks(tuple(blocks), links, tuple(inner))
