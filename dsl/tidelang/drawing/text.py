"""A drawing as a tree of text, for terminals.

release: 9 steps
└─ compile
   ↓  test ×9
   ↓  build
   ├─ notes
   └─ reproducible
      ↓  package

Each step stands once, below the one of its needs that it waits for longest; its other
needs are told behind it. What alone follows a step stands straight below it (`↓`), so
that a long chain is a list and no staircase. Dotted strokes lead to a step that only
waits for the one above and uses nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidelang.drawing.lines import ASCII, UNICODE, Strokes
from tidelang.drawing.model import Drawing, Edge, counted
from tidelang.drawing.tree import Tree
from tidelang.render.cells import clean, width

_WIDE = 100
_DEEPEST = 0.5
"""The share of the width behind which a branch goes on below, from the left again."""
_LEAST = 24
"""Columns that remarks are given, however little is left."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`columns` is the screen's width, None where lines may be of any length."""

    columns: int | None = None
    unicode: bool = True
    faint: Callable[[str], str] = str
    strong: Callable[[str], str] = str

    @property
    def strokes(self) -> Strokes:
        return UNICODE if self.unicode else ASCII


@dataclass(frozen=True, slots=True)
class _Place:
    """A node about to be written: behind `head`, what is below it behind `below`."""

    node: int
    head: str
    below: str


def render(drawing: Drawing, settings: Settings) -> str:
    """The tree, with a line for the pipeline above."""
    return "\n".join(_Writer(drawing, settings).lines()) + "\n"


class _Writer:
    def __init__(self, drawing: Drawing, settings: Settings) -> None:
        self._drawing = drawing
        self._settings = settings
        self._strokes = settings.strokes
        self._tree = Tree(drawing)
        self._later: list[int] = []

    def lines(self) -> Iterator[str]:
        name, steps = clean(self._drawing.name), counted(len(self._drawing.nodes), "step")
        yield f"{self._settings.strong(name)}: {steps}"
        yield from self._below(self._tree.roots, "")
        while self._later:
            node, *self._later = self._later
            yield ""
            yield f"{self._settings.strong(self._name(node))} {self._strokes.below}"
            yield from self._below(self._tree.children[node], "")

    def _below(self, nodes: list[int], behind: str) -> Iterator[str]:
        """Nodes and all below them, with a stack instead of recursion."""
        stack = self._places(nodes, behind, straight=False)
        while stack:
            place = stack.pop()
            children = self._tree.children[place.node]
            deep = bool(children) and self._too_deep(place.below)
            yield from self._node(place, deep=deep)
            if deep:
                self._later.append(place.node)
            else:
                stack += self._places(children, place.below, straight=len(children) == 1)

    def _places(self, nodes: list[int], behind: str, *, straight: bool) -> list[_Place]:
        """The last one first, as a stack takes them."""
        places = []
        for at, node in enumerate(reversed(nodes)):
            branch, last, on = self._strokes_to(node)
            if straight:
                places.append(_Place(node, behind + on, behind))
            elif at == 0:
                places.append(_Place(node, behind + last, behind + "   "))
            else:
                places.append(_Place(node, behind + branch, behind + self._strokes.bar))
        return places

    def _strokes_to(self, node: int) -> tuple[str, str, str]:
        edge = self._tree.above[node]
        return self._strokes.data if edge is None or edge.data else self._strokes.order

    def _too_deep(self, below: str) -> bool:
        return len(below) > (self._settings.columns or _WIDE) * _DEEPEST

    def _node(self, place: _Place, *, deep: bool) -> Iterator[str]:
        name = self._name(place.node)
        remarks = self._remarks(place.node)
        if deep:
            remarks.append(f"goes on below {self._strokes.below}")
        first, *more = self._wrapped(remarks, width(place.head) + width(name) + 2)
        faint = self._settings.faint
        yield (f"{faint(place.head)}{name}" + (f"  {faint(first)}" if first else "")).rstrip()
        has_more_below = self._tree.children[place.node] and not deep
        bar = self._strokes.bar if has_more_below else "   "
        for line in more:
            yield faint(f"{place.below}{bar}  {line}")

    def _name(self, node: int) -> str:
        return clean(self._drawing.nodes[node].name)

    def _remarks(self, at: int) -> list[str]:
        node = self._drawing.nodes[at]
        fan = node.fan if self._settings.unicode else node.fan.replace("×", "x")
        said = [fan.replace("…", self._strokes.below)] if fan else []
        said += ["conditional"] if node.conditional else []
        said += map(clean, node.badges)
        others = self._tree.others[at]
        return said + [text for data in (True, False) if (text := self._also(others, data))]

    def _also(self, edges: list[Edge], data: bool) -> str:
        names = [self._name(edge.source) for edge in edges if edge.data is data]
        return f"also {'uses' if data else 'after'} {', '.join(names)}" if names else ""

    def _wrapped(self, remarks: list[str], used: int) -> list[str]:
        """Remarks as lines: the first has what `used` leaves, the others a little more."""
        text = self._strokes.apart.join(remarks)
        if self._settings.columns is None:
            return [text]
        room = max(self._settings.columns - used, _LEAST)
        lines = [""]
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if lines[-1] and width(longer) > room:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines
