"""Orders and cycles of a directed graph, without recursion and in linear time.

It knows names alone: what they stand for (lets, steps) is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Cycle = tuple[str, ...]
_MOST_DRAWN = 100_000
"""Members of all cycles together. A file with more is told of the rest afterwards."""


class Walk:
    """A depth-first walk with a stack of its own. What it leaves behind is `order`, in
    which each node stands behind those it points to, and `cycles`, each once, from its
    first member, closed (`a b c a`). Ties keep the order of the mapping; neighbours that
    are not in it are left out."""

    def __init__(self, graph: Mapping[str, Iterable[str]]) -> None:
        self.order: list[str] = []
        self.cycles: list[Cycle] = []
        self._graph = graph
        self._position = {name: at for at, name in enumerate(graph)}
        self._done: set[str] = set()
        self._drawn: set[str] = set()
        self._members = 0
        for root in graph:
            if root not in self._done:
                self._from(root)

    def _from(self, root: str) -> None:
        path, depth = [root], {root: 0}
        waiting = [self._neighbours(root)]
        while path:
            step = next((n for n in waiting[-1] if n not in self._done), None)
            if step is None:
                self._finish(path.pop(), depth)
                waiting.pop()
            elif step in depth:
                self._draw(path, depth[step])
            else:
                depth[step] = len(path)
                path.append(step)
                waiting.append(self._neighbours(step))

    def _neighbours(self, name: str) -> Iterator[str]:
        return (other for other in self._graph[name] if other in self._position)

    def _finish(self, name: str, depth: dict[str, int]) -> None:
        del depth[name]
        self._done.add(name)
        self.order.append(name)

    def _draw(self, path: list[str], start: int) -> None:
        """Keeps a cycle, unless one that was kept already goes through its closing edge's
        ends: breaking that one comes first."""
        if path[start] in self._drawn or path[-1] in self._drawn or self._members > _MOST_DRAWN:
            return
        cycle = path[start:]
        self._drawn.update(cycle)
        self._members += len(cycle)
        first = min(range(len(cycle)), key=lambda at: self._position[cycle[at]])
        turned = cycle[first:] + cycle[:first]
        self.cycles.append((*turned, turned[0]))
