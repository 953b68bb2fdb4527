"""One tree out of a graph: of each node's needs, the one it is shown below."""

from __future__ import annotations

from tidelang.drawing.model import Drawing, Edge


class Tree:
    """`above` is the edge a node hangs on (None for a root), `others` its other needs,
    `children` the nodes that hang on it, in order."""

    def __init__(self, drawing: Drawing) -> None:
        layers = drawing.layers()
        self.above: list[Edge | None] = []
        self.others: list[list[Edge]] = []
        self.children: list[list[int]] = [[] for _ in drawing.nodes]
        self.roots: list[int] = []
        for node, edges in enumerate(drawing.incoming()):
            above = max(edges, key=lambda edge: (layers[edge.source], edge.source), default=None)
            self.above.append(above)
            self.others.append([edge for edge in edges if edge is not above])
            (self.roots if above is None else self.children[above.source]).append(node)
