"""Imports: which files belong together, found before any of them is checked.

Every file is read and parsed once, whoever imports it. What cannot be had is said where
it is imported, and nothing more is said of what was to come from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tidelang import limits
from tidelang.checking.lets import drawn
from tidelang.checking.units import Unit
from tidelang.diagnostics import Fix, Related
from tidelang.graph import Walk
from tidelang.reading import ImportFailure, Loader
from tidelang.scope import Symbol
from tidelang.source import Source
from tidelang.syntax import Import


@dataclass(frozen=True, slots=True)
class _Edge:
    """An import that could be had: which file, and where it is written."""

    key: str
    node: Import


class Gathered:
    """All units of a compilation, from the main one on. `order` has each behind those
    that it imports."""

    def __init__(self, main: Source, loader: Loader, new: Callable[[Source], Unit]) -> None:
        self._loader = loader
        self._new = new
        self._edges: dict[str, list[_Edge]] = {}
        first = loader.key(main)
        self._units: dict[str, Unit] = {first: new(main)}
        self.main = self._units[first]
        left = [first]
        while left:
            left.extend(self._imports(left.pop()))
        self._tie()
        walk = Walk({key: [e.key for e in edges] for key, edges in self._edges.items()})
        for cycle in walk.cycles:
            self._circle(cycle)
        self.order = [self._units[key] for key in walk.order]
        self._cut({key: at for at, key in enumerate(walk.order)})

    def _imports(self, key: str) -> list[str]:
        """Reads what a file imports; the files that were not known before."""
        unit = self._units[key]
        self._edges[key] = []
        found = []
        for node in unit.parsed.file.items:
            if not isinstance(node, Import) or node.alias.id in unit.imports:
                continue  # an alias that stands twice is said where names are declared
            unit.imports[node.alias.id] = None
            source = self._had(unit, node)
            if source is None:
                continue
            other = self._loader.key(source)
            self._edges[key].append(_Edge(other, node))
            if other not in self._units:
                self._units[other] = self._new(source)
                found.append(other)
        return found

    def _had(self, unit: Unit, node: Import) -> Source | None:
        path, span = node.path.plain, node.path.span
        if path is None:
            fix = Fix('write it out: `import "lib/python.tide" as py`')
            unit.report.add("T114", "the path of an import is a plain string", span, "", fix)
            return None
        if len(self._units) > limits.FILES:
            message = f"more than {limits.FILES:,} files are imported"
            unit.report.add("T096", message, span, "one too many")
            return None
        try:
            return self._loader.load(unit.source, path)
        except ImportFailure as failure:
            way = Fix(failure.help) if failure.help else None
            if failure.path:
                way = Fix(f"did you mean `{failure.path}`?", span, f'"{failure.path}"')
            unit.report.add("T114", str(failure), span, "cannot be imported", way)
            return None

    def _tie(self) -> None:
        for key, edges in self._edges.items():
            for edge in edges:
                self._units[key].imports[edge.node.alias.id] = self._units[edge.key]

    def _circle(self, cycle: tuple[str, ...]) -> None:
        """Tells a circle of imports once; nothing more is said of what comes through it."""
        edges = [self._edge(a, b) for a, b in pairwise(cycle)]
        names = tuple(self._units[key].source.name for key in cycle)
        related = tuple(
            Related(edge.node.path.span, f"`{name}` imports `{after}`")
            for edge, (name, after) in zip(edges[1:8], pairwise(names[1:]), strict=False)
        )
        message = f"these files import each other: {drawn(names)}"
        if len(edges) == 1:
            message = f"`{names[0]}` imports itself"
        fix = Fix("move what they share into a file that imports neither")
        span = edges[0].node.path.span
        label = f"`{names[0]}` imports `{names[1]}`" if len(edges) > 1 else "the file itself"
        self._units[cycle[0]].report.add("T115", message, span, label, fix, related)

    def _cut(self, place: dict[str, int]) -> None:
        """Nothing is had through an import that closes a circle."""
        for key, edges in self._edges.items():
            for edge in edges:
                if place[edge.key] >= place[key]:
                    self._units[key].imports[edge.node.alias.id] = None

    def _edge(self, key: str, other: str) -> _Edge:
        return next(edge for edge in self._edges[key] if edge.key == other)


def declare_imports(unit: Unit) -> None:
    """Has the aliases of a file's imports stand in its scope."""
    for node in unit.parsed.file.items:
        if isinstance(node, Import):
            symbol = Symbol(node.alias.id, "import", node.alias.span)
            symbol.unit = unit.imports.get(node.alias.id)
            symbol.broken = symbol.unit is None
            unit.scope.declare(symbol)
