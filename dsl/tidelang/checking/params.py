"""Params: what a run is given, with types and defaults."""

from __future__ import annotations

from tidelang import blocks
from tidelang.checking.bodies import setting, sorted_body
from tidelang.checking.constants import literal
from tidelang.checking.context import SETTLED, UNKNOWN, Context
from tidelang.checking.expect import expect, settled
from tidelang.checking.secrets import no_param
from tidelang.checking.typenames import declared
from tidelang.definition import Expr, Param, Type
from tidelang.diagnostics import Fix
from tidelang.scope import Symbol
from tidelang.syntax import Param as ParamNode
from tidelang.types import ANY, show
from tidelang.values import Value, conform


def check_param(ctx: Context, node: ParamNode, *, stored: bool = True) -> Param | None:
    """Declares a param; None where its name is taken. The value of a pipeline's param is
    `stored`, and so is no secret; that of a task's is not."""
    name = node.name.id
    symbol = Symbol(name, "param", node.name.span, ("ref", "param", name))
    if not ctx.scope.declare(symbol):
        return None
    ctx.place = SETTLED
    symbol.type = declared(ctx.report, node.type) if node.type else _untyped(ctx, node)
    if symbol.type.name == "secret" and stored:
        no_param(ctx.report, node)
        symbol.type, symbol.expr, symbol.used = ANY, (), True
        return None
    parts = sorted_body(ctx.report, node.body, blocks.PARAM)
    description = setting(ctx, parts, blocks.PARAM, "description") or ""
    return Param(name, symbol.type, _default(ctx, node, symbol.type), str(description))


def _default(ctx: Context, node: ParamNode, type: Type) -> Expr | None:  # noqa: A002
    """Worked out now, so that whoever binds params needs no names."""
    if node.default is None:
        return None
    what = f"the default of `{node.name.id}`"
    before = ctx.report.count
    expr = expect(ctx, node.default, type, what)
    if ctx.report.count != before or expr is UNKNOWN[1]:
        return UNKNOWN[1]
    value = settled(ctx, node.default, expr, what)
    return literal(_conformed(value, type))


def _conformed(value: Value, type: Type) -> Value:  # noqa: A002
    """`1` for a float is `1.0`. Null is let be: it says that there is no value."""
    try:
        return conform(value, type)
    except ValueError:
        return value


def _untyped(ctx: Context, node: ParamNode) -> Type:
    """A param without a type: the default shows which is meant."""
    before = ctx.report.count
    found = ctx.check(node.default)[0] if node.default else ANY
    if ctx.report.count == before:
        name = "string" if found.name in ("any", "null") else show(found)
        fix = Fix(f"add `: {name}`", node.name.span, f"{node.name.id}: {name}")
        message = f"param `{node.name.id}` has no type"
        ctx.report.add("T213", message, node.name.span, "which type?", fix)
    return ANY
