"""What a word or a bracket is, by what stands before it in its entry."""

from __future__ import annotations

from tidelang.formatting.nodes import Group, Leaf, Node

_OPERANDS = frozenset(
    {"NAME", "NUMBER", "DURATION", "SIZE", "STRING", "RAW", "TRUE", "FALSE", "NULL"}
)
_SIGNS = frozenset({"COLON", "EQUAL", "MINUS", "DOT", "DOTDOT"})
_NO_SPACE_BEFORE = frozenset({"COLON", "DOT", "DOTDOT"})
_NO_SPACE_BEHIND = frozenset({"DOT", "DOTDOT", "SIGN"})
_ADJACENT = frozenset({"call", "types", "parameters", "index"})


def meant(type_: str, before: list[Node]) -> str:
    """The type of a word: behind a dot all are names, and a `-` may be a number's sign."""
    if type_ == "MINUS" and not _operand(before):
        return "SIGN"
    if type_ not in _SIGNS and before and before[-1].type == "DOT":
        return "NAME"
    return type_


def of_brackets(type_: str, before: list[Node], outer: Group, *, types: bool) -> str:
    """What an opening bracket is for."""
    if type_ == "LBRACE":
        return "braces"
    if type_ == "LSQB":
        return "index" if _operand(before) else "list"
    if types:
        return "types"
    if before and before[-1].type == "FOR":
        return "targets"
    if outer.braces and len(before) == 2 and before[0].type == "TASK":
        return "parameters"
    return "call" if _operand(before) else "group"


def spaced(before: list[Node], node: Node) -> bool:
    """Whether a space stands before a node."""
    if not before or node.type in _NO_SPACE_BEFORE or before[-1].type in _NO_SPACE_BEHIND:
        return False
    return not (isinstance(node, Group) and node.kind in _ADJACENT)


def _operand(before: list[Node]) -> bool:
    """Whether an operand ends here, so that `(` calls it and `-` is between two."""
    if not before:
        return False
    last = before[-1]
    return isinstance(last, Group) or last.type in _OPERANDS


def setting_name(nodes: list[Node]) -> list[Leaf]:
    """Of `name = …` and `let name = …`, what stands before the `=`; else nothing."""
    words = [node for node in nodes[:3] if isinstance(node, Leaf)]
    if len(words) >= 2 and words[1].type == "EQUAL":
        return words[:1]
    if len(words) == 3 and words[0].type == "LET" and words[2].type == "EQUAL":
        return words[:2]
    return []
