"""Arrows, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from tidelang.drawing.model import Drawing, Edge
from tidelang.drawing.svg.layout import Point, Way
from tidelang.drawing.svg.shape import Cell
from tidelang.drawing.svg.tags import number, tag, title

_TIP = 7.0
_HALF = 3.4
MARKERS = "".join(
    tag(
        "marker",
        tag("path", class_=f"tip {name}", d=f"M0 0L{_TIP} {_HALF}L0 {2 * _HALF}z"),
        id=f"tip-{name}",
        markerUnits="userSpaceOnUse",
        markerWidth=_TIP,
        markerHeight=2 * _HALF,
        refX=0.0,
        refY=_HALF,
        orient="auto",
    )
    for name in ("data", "order")
)
"""The heads of arrows; an arrow's line ends where its head begins."""


def arrow(path: str, *, data: bool, words: str) -> str:
    """A line with a head; pointing at it shows `words`."""
    name = "data" if data else "order"
    return tag("path", title(words), class_=f"edge {name}", d=path, marker_end=f"url(#tip-{name})")


def said(drawing: Drawing, edges: Sequence[Edge]) -> str:
    """An edge in words; of several, which go from all of a frame or to it, a line each."""
    return "\n".join(
        f"{drawing.nodes[edge.source].name} → {drawing.nodes[edge.target].name}"
        f" ({'uses what it puts out' if edge.data else 'waits for it'})"
        for edge in edges
    )


def across(way: Way, right: float, down: float) -> str:
    """The path of a way, moved by `right` and `down`: straight across columns, and
    between them a curve that leaves and arrives level."""
    points = [(x + right, y + down) for x, y in way.points]
    points[-1] = (points[-1][0] - _TIP, points[-1][1])
    path = f"M{_point(points[0])}"
    for at, point in enumerate(points[1:]):
        path += _straight(points[at], point) if at % 2 == 0 else _curve(points[at], point)
    return path


def hop(one: Cell, two: Cell) -> str:
    """From a step of a chain to the next: straight on, or back to the start of a row."""
    start = (one.x + one.width, one.y + one.height / 2)
    end = (two.x - _TIP, two.y + two.height / 2)
    if one.y == two.y:
        return f"M{_point(start)}{_straight(start, end)}"
    between = (one.y + one.height + two.y) / 2
    aside = _TIP + 2
    return (
        f"M{_point(start)}h{number(aside)}V{number(between)}"
        f"H{number(end[0] - aside)}V{number(end[1])}h{number(aside)}"
    )


def _straight(one: Point, two: Point) -> str:
    return "" if one == two else f"H{number(two[0])}"


def _curve(one: Point, two: Point) -> str:
    if one[1] == two[1]:
        return f"H{number(two[0])}"
    half = (one[0] + two[0]) / 2
    return f"C{number(half)} {number(one[1])} {number(half)} {number(two[1])} {_point(two)}"


def _point(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
