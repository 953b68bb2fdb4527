"""Types as they are written in a file: `list(string)`, `int(1..16)`, `"a" | "b"`."""

from __future__ import annotations

from tidelang.definition import Type
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.suggest import listed, nearest
from tidelang.syntax import NamedType, TypeExpression, UnionType
from tidelang.types import ANY, NAMED

_ALIASES = {
    "str": "string", "text": "string", "integer": "int", "number": "float", "boolean": "bool",
    "array": "list", "dict": "map", "object": "map", "path": "file", "datetime": "time",
}  # fmt: skip


def declared(report: Report, node: TypeExpression) -> Type:
    """The type that is meant; `any` where that cannot be made out."""
    return _union(report, node) if isinstance(node, UnionType) else _named(report, node)


def _union(report: Report, node: UnionType) -> Type:
    members: dict[str, None] = {}
    for member in node.members:
        if member.plain is None:
            report.add("T209", "a choice must be a plain string", member.span, "has a `{{ }}`")
        elif member.plain in members:
            report.add("T209", f'the choice "{member.plain}" stands here twice', member.span)
        else:
            members[member.plain] = None
    return Type("enum", members=tuple(members)) if members else ANY


def _named(report: Report, node: NamedType) -> Type:
    if node.name in ("list", "map"):
        return _holding(report, node)
    known = NAMED.get(node.name)
    if known is None:
        return _unknown(report, node)
    if node.arguments:
        report.add("T209", f"`{node.name}` takes no type in brackets", node.span, "")
        return known
    return _bounded(report, node, known) if node.bounds else known


def _holding(report: Report, node: NamedType) -> Type:
    if len(node.arguments) > 1 or node.bounds:
        message = f"a {node.name} has one type of members"
        report.add("T209", message, node.span, "", Fix(f"write `{node.name}(string)`"))
        return Type(node.name, of=ANY)
    of = declared(report, node.arguments[0]) if node.arguments else ANY
    if of.name == "secret":
        fix = Fix("declare each of them by itself, with type `secret`")
        message = f"a {node.name} cannot hold secrets"
        report.add("T619", message, node.arguments[0].span, "only by itself", fix)
        return Type(node.name, of=ANY)
    return Type(node.name, of=of)


def _unknown(report: Report, node: NamedType) -> Type:
    names = [*NAMED, "list", "map"]
    near = _ALIASES.get(node.name) or nearest(node.name, names)
    fix = Fix(f"the types are {listed(names)}")
    if near and not node.arguments and not node.bounds:
        fix = Fix(f"did you mean `{near}`?", node.span, near)
    elif near:
        fix = Fix(f"did you mean `{near}`?")
    report.add("T209", f"there is no type `{node.name}`", node.span, "not a type", fix)
    return ANY


def _bounded(report: Report, node: NamedType, known: Type) -> Type:
    low, high = node.bounds or (None, None)
    if known.name not in ("int", "float"):
        report.add("T209", f"`{node.name}` cannot have bounds", node.span, "only numbers can")
        return known
    if low is not None and high is not None and low > high:
        fix = Fix("swap them", node.span, f"{node.name}({high}..{low})")
        report.add("T209", f"no number is from {low} to {high}", node.span, "upside down", fix)
        return known
    if known.name == "int" and any(isinstance(bound, float) for bound in (low, high)):
        report.add("T209", "the bounds of `int` are whole numbers", node.span)
        return known
    return Type(known.name, low=low, high=high)
