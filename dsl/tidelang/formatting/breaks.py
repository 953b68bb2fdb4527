"""Where an expression in brackets may go on in the next line.

Behind its loosest operators, so that what is bound more tightly stays together; before
`if`, `else` and `for`, which begin a part of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidelang.formatting.nodes import Node

_LEVELS = (
    frozenset({"VBAR"}),
    frozenset({"IF", "ELSE"}),
    frozenset({"OR"}),
    frozenset({"AND"}),
    frozenset({"EQ", "NE", "LT", "LE", "GT", "GE", "IN"}),
    frozenset({"PLUS", "MINUS"}),
    frozenset({"STAR", "SLASH", "PERCENT"}),
)
_LEVEL_OF = {type_: level for level, types in enumerate(_LEVELS) for type_ in types}
_BEGIN = frozenset({"FOR", "IF", "ELSE"})


def segments(nodes: list[Node]) -> list[list[Node]]:
    """The nodes, a list for each line; one list where there is no place to break."""
    loops = [at for at, node in enumerate(nodes) if node.type == "FOR" and at]
    places = _comprehension(nodes, loops[0]) if loops else list(_operators(nodes))
    if not places:
        return [nodes]
    ends = [*places, len(nodes)]
    return [nodes[start:end] for start, end in zip([0, *places], ends, strict=True)]


def _comprehension(nodes: list[Node], loop: int) -> list[int]:
    condition = (at for at in range(loop, len(nodes)) if nodes[at].type == "IF")
    return [loop, *condition]


def _operators(nodes: list[Node]) -> Iterator[int]:
    """Where the lines behind the first one begin."""
    inner = [(_place(at, node), _LEVEL_OF[node.type]) for at, node in enumerate(nodes)
             if node.type in _LEVEL_OF]  # fmt: skip
    inner = [(place, level) for place, level in inner if 0 < place < len(nodes)]
    loosest = min((level for _, level in inner), default=0)
    return (place for place, level in inner if level == loosest)


def _place(at: int, node: Node) -> int:
    return at if node.type in _BEGIN else at + 1
