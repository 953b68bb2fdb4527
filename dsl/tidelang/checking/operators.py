"""Operators: which types they work on, and what they give."""

from __future__ import annotations

from collections.abc import Callable

from tidelang.checking.context import CHECKS, UNKNOWN, Context, Typed
from tidelang.checking.forms import condition_of
from tidelang.checking.secrets import OPERATED
from tidelang.checking.words import noun
from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix
from tidelang.suggest import nearest
from tidelang.syntax import Binary, Expression, Name, String, Unary
from tidelang.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    NUMBERS,
    SIZE,
    STRING,
    TEXTUAL,
    common,
    inner,
    list_of,
    related,
    scalar,
    show,
)

_UNITS = {"duration": DURATION, "size": SIZE}


def _binary(ctx: Context, node: Binary) -> Typed:
    operator = node.operator
    if operator in ("and", "or"):
        left, right = condition_of(ctx, node.left), condition_of(ctx, node.right)
        return BOOL, ("op", operator, left, right)
    if operator in ("==", "!=") and (meant := _bare_member(ctx, node)):
        return meant
    one, left = ctx.check(node.left, OPERATED)
    other, right = ctx.check(node.right, OPERATED)
    if operator == "/" or operator == "%":
        _not_by_zero(ctx, node, right)
    expr = ("op", operator, left, right)
    if one.name == "any" or other.name == "any":
        return _loose(operator, one, other), expr
    result = _RULES[operator](one, other)
    if result is None:
        return _cannot(ctx, node, one, other)
    if operator in _EQUALITIES:
        _never(ctx, node, (one, left), (other, right))
    return result, expr


_EQUALITIES = frozenset({"==", "!=", "in", "not in"})


def _loose(operator: str, one: Type, other: Type) -> Type:
    """The result where one side may be anything."""
    if operator not in _RULES or _RULES[operator] in (_equality, _order, _membership):
        return BOOL
    known = other if one.name == "any" else one
    return STRING if operator == "+" and known.name in TEXTUAL else ANY


# --- rules: the result's type, or None -------------------------------------------------


def _sum(one: Type, other: Type) -> Type | None:
    if one.name in NUMBERS and other.name in NUMBERS:
        return _number(one, other)
    if one.name in TEXTUAL and other.name in TEXTUAL:
        return STRING
    if one.name == other.name == "list":
        return list_of(common((inner(one), inner(other))))
    return _UNITS.get(one.name) if one.name == other.name else None


def _difference(one: Type, other: Type) -> Type | None:
    if one.name in NUMBERS and other.name in NUMBERS:
        return _number(one, other)
    return _UNITS.get(one.name) if one.name == other.name else None


def _product(one: Type, other: Type) -> Type | None:
    if one.name in NUMBERS and other.name in NUMBERS:
        return _number(one, other)
    if other.name in NUMBERS:
        return _UNITS.get(one.name)
    return _UNITS.get(other.name) if one.name in NUMBERS else None


def _quotient(one: Type, other: Type) -> Type | None:
    if one.name in NUMBERS and other.name in NUMBERS:
        return FLOAT
    if one.name not in _UNITS:
        return None
    return _UNITS[one.name] if other.name in NUMBERS else FLOAT if one == other else None


def _remainder(one: Type, other: Type) -> Type | None:
    numbers = one.name in NUMBERS and other.name in NUMBERS
    return _number(one, other) if numbers else None


def _number(one: Type, other: Type) -> Type:
    return INT if one.name == other.name == "int" else FLOAT


def _equality(one: Type, other: Type) -> Type | None:
    return BOOL if related(one, other) else None


def _order(one: Type, other: Type) -> Type | None:
    if one.name in NUMBERS and other.name in NUMBERS:
        return BOOL
    if one.name in TEXTUAL and other.name in TEXTUAL:
        return BOOL
    return BOOL if one.name == other.name and one.name in _UNITS else None


def _membership(one: Type, other: Type) -> Type | None:
    if other.name == "list":
        return BOOL if related(one, inner(other)) else None
    if other.name == "map" or other.name in TEXTUAL:
        return BOOL if one.name in TEXTUAL else None
    return None


_RULES: dict[str, Callable[[Type, Type], Type | None]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "%": _remainder,
    "==": _equality,
    "!=": _equality,
    "<": _order,
    "<=": _order,
    ">": _order,
    ">=": _order,
    "in": _membership,
    "not in": _membership,
}

# --- what is wrong ---------------------------------------------------------------------


def _cannot(ctx: Context, node: Binary, one: Type, other: Type) -> Typed:
    message = f"`{node.operator}` does not work on {noun(one)} and {noun(other)}"
    if node.operator in ("==", "!="):
        message = f"{noun(one)} and {noun(other)} can never be equal"
    label = f"{noun(one)} {node.operator} {noun(other)}"
    ctx.report.add("T202", message, node.operator_span, label, _way_out(node, one, other))
    result = _RULES[node.operator] in (_equality, _order, _membership)
    return (BOOL, UNKNOWN[1]) if result else UNKNOWN


def _way_out(node: Binary, one: Type, other: Type) -> Fix | None:
    if node.operator != "+" or "string" not in (one.name, other.name):
        return _same_unit(node, one, other)
    if not (scalar(one) and scalar(other)):
        return Fix("`join` makes a text of a list")
    left, right = _piece(node.left), _piece(node.right)
    if left is None or right is None:
        return Fix('write a template: `"…{{ x }}"`')
    return Fix("write a template", node.span, f'"{left}{right}"')


def _same_unit(node: Binary, one: Type, other: Type) -> Fix | None:
    if one.name in _UNITS and other.name in NUMBERS:
        return Fix(f"give {node.right.span.text} a unit")
    if other.name in _UNITS and one.name in NUMBERS:
        return Fix(f"give {node.left.span.text} a unit")
    return None


def _piece(node: Expression) -> str | None:
    """An operand as a stretch of a string literal."""
    text = node.span.text
    if isinstance(node, String):
        return text[1:-1] if not node.raw and not text.startswith('"""') else None
    return None if '"' in text or "\n" in text else f"{{{{ {text} }}}}"


def _never(ctx: Context, node: Binary, one: Typed, other: Typed) -> None:
    """`target == "prod"` where `target` can only be something else."""
    for (enum, _), (_, expr), side in ((one, other, node.right), (other, one, node.left)):
        choices = inner(enum) if enum.name == "list" else enum
        if choices.name == "enum" and expr[0] == "lit" and isinstance(expr[1], str):
            if expr[1] not in choices.members:
                _no_member(ctx, side, expr[1], choices)
            return


def _no_member(ctx: Context, side: Expression, word: str, enum: Type) -> None:
    near = nearest(word, enum.members)
    fix = Fix(f"did you mean `{near}`?", side.span, f'"{near}"') if near else None
    message = f'this can never be "{word}": it is {noun(enum)}'
    ctx.report.add("T205", message, side.span, "not one of them", fix)


def _bare_member(ctx: Context, node: Binary) -> Typed | None:
    """`target == production`: the quotes are missing."""
    for name, other in ((node.right, node.left), (node.left, node.right)):
        if not isinstance(name, Name) or ctx.scope.find(name.id) is not None:
            continue
        type, _ = ctx.check(other, OPERATED)  # noqa: A001
        if type.name == "enum" and name.id in type.members:
            fix = Fix("put quotes around it", name.span, f'"{name.id}"')
            message = f"there is no name `{name.id}` here"
            ctx.report.add("T101", message, name.span, f"one of {show(type)} needs quotes", fix)
        elif type.name == "enum" and (near := nearest(name.id, type.members)):
            fix = Fix(f'did you mean `"{near}"`?', name.span, f'"{near}"')
            message = f"there is no name `{name.id}` here"
            ctx.report.add("T101", message, name.span, f"one of {show(type)} is", fix)
        else:
            ctx.check(name)
        return BOOL, UNKNOWN[1]
    return None


def _not_by_zero(ctx: Context, node: Binary, right: Expr) -> None:
    known = ctx.constants.values.get(right[2]) if right[:2] == ("ref", "let") else None
    if (right[0] == "lit" and right[1] == 0 and right[1] is not False) or (
        type(known) in (int, float) and known == 0
    ):
        ctx.report.add("T212", "division by zero", node.right.span, "this is zero")


def _unary(ctx: Context, node: Unary) -> Typed:
    if node.operator == "not":
        return BOOL, ("not", condition_of(ctx, node.operand))
    type, expr = ctx.check(node.operand, OPERATED)  # noqa: A001
    if type.name not in NUMBERS and type.name not in (*_UNITS, "any"):
        ctx.report.add("T202", f"`-` does not work on {noun(type)}", node.span, noun(type))
        return UNKNOWN
    if expr[0] in ("lit", "dur", "size") and type.name != "any":
        return type, (expr[0], -expr[1])
    return type, ("neg", expr)


CHECKS |= {Binary: _binary, Unary: _unary}
