"""A drawing in Mermaid, which forges and wikis show as a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tidelang.drawing.model import Drawing, Kind, Node
from tidelang.render.cells import clean

_SHAPES = {
    Kind.COMMAND: '("{}")',
    Kind.APPROVAL: '{{{{"{}"}}}}',
    Kind.SUBRUN: '[["{}"]]',
}
_UNSAFE = re.compile(
    r"[^\w ,.:×·…-]"
    r"|[.-](?!\w)"  # `1. ` and `- ` begin lists
    r"|(?<![^\W_])_+|_+(?![^\W_])"  # `_this_` is emphasis
)


def render(drawing: Drawing) -> str:
    """A flowchart, left to right."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield from ("---", f"title: {json.dumps(clean(drawing.name), ensure_ascii=False)}", "---")
    yield "flowchart LR"
    for at, node in enumerate(drawing.nodes):
        yield f"  s{at}{_SHAPES[node.kind].format(_label(node))}"
    for edge in drawing.edges:
        yield f"  s{edge.source} {'-->' if edge.data else '-.->'} s{edge.target}"
    conditional = [f"s{at}" for at, node in enumerate(drawing.nodes) if node.conditional]
    if conditional:
        yield "  classDef conditional stroke-dasharray: 5 4"
        yield f"  class {','.join(conditional)} conditional"


def _label(node: Node) -> str:
    name = _escaped(node.name)
    return f"{name}<br>{_escaped(' · '.join(node.remarks))}" if node.remarks else name


def _escaped(text: str) -> str:
    """What Mermaid, Markdown in it or HTML could act on becomes a numbered entity."""
    return _UNSAFE.sub(_entities, clean(text))


def _entities(match: re.Match[str]) -> str:
    return "".join(f"#{ord(character)};" for character in match[0])
