"""A drawing in DOT, for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from tidelang.drawing.model import Drawing, Edge, Kind, Node
from tidelang.render.cells import clean

_SHAPES = {
    Kind.COMMAND: "shape=box, style={style}",
    Kind.APPROVAL: "shape=hexagon, style={style}",
    Kind.SUBRUN: "shape=box, peripheries=2, style={style}",
}
_STYLES = {
    (Kind.COMMAND, False): "rounded",
    (Kind.COMMAND, True): '"rounded,dashed"',
}


def render(drawing: Drawing) -> str:
    """A directed graph, left to right: `dot -Tsvg`."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield f"digraph {_quoted(drawing.name)} {{"
    yield "  rankdir=LR;"
    yield '  node [fontname="Helvetica,Arial,sans-serif", fontsize=11, margin="0.15,0.08"];'
    yield "  edge [arrowsize=0.7];"
    yield from (f"  s{at} [{_attributes(node)}];" for at, node in enumerate(drawing.nodes))
    yield from (f"  {_edge(edge)};" for edge in drawing.edges)
    yield "}"


def _attributes(node: Node) -> str:
    label = _quoted(node.name, *([" · ".join(node.remarks)] if node.remarks else []))
    plain = "dashed" if node.conditional else "solid"
    style = _STYLES.get((node.kind, node.conditional), plain)
    tooltip = _quoted(node.name, *node.details)
    return f"label={label}, {_SHAPES[node.kind].format(style=style)}, tooltip={tooltip}"


def _edge(edge: Edge) -> str:
    arrow = f"s{edge.source} -> s{edge.target}"
    return arrow if edge.data else f"{arrow} [style=dashed]"


def _quoted(*lines: str) -> str:
    """A string of these lines. In labels Graphviz acts on `\\` and on `&name;`."""
    return '"' + "\\n".join(_escaped(line) for line in lines) + '"'


def _escaped(line: str) -> str:
    text = clean(line).replace("&", "&amp;")
    return text.replace("\\", "\\\\").replace('"', '\\"')
