"""What an import's alias stands for, where a value is wanted."""

from __future__ import annotations

from tidelang.checking.context import UNKNOWN, Context, Typed
from tidelang.diagnostics import Fix
from tidelang.scope import Symbol
from tidelang.suggest import listed, nearest
from tidelang.syntax import Member, Name


def imported(ctx: Context, node: Member, alias: Symbol) -> Typed:
    """`py.versions`: a `let` of an imported file."""
    alias.used = True
    unit = alias.unit
    if unit is None:
        return UNKNOWN
    symbol = unit.shared.get(node.name)
    if symbol is not None:
        return (symbol.type, symbol.expr) if symbol.expr else UNKNOWN
    if node.name in unit.tasks or node.name in unit.pipelines:
        return _called(ctx, node, "task" if node.name in unit.tasks else "pipeline")
    if unit.report.may_be_unread(node.name):
        return UNKNOWN
    near = nearest(node.name, unit.lets)
    fix = Fix(f"its lets are {listed(unit.lets)}") if unit.lets else None
    if near:
        fix = Fix(f"did you mean `{near}`?", node.name_span, near)
    message = f"there is no let `{node.name}` in `{unit.source.name}`"
    ctx.report.add("T107", message, node.name_span, "not there", fix)
    return UNKNOWN


def _called(ctx: Context, node: Member, kind: str) -> Typed:
    word = "pipeline " if kind == "pipeline" else ""
    fix = Fix(f"a step calls it: `step x = {word}{node.span.text}(…)`")
    message = f"{kind} `{node.name}` is no value"
    ctx.report.add("T207", message, node.span, f"a {kind}", fix)
    return UNKNOWN


def no_value(ctx: Context, node: Name, symbol: Symbol) -> Typed:
    """The name of a task or an import stands where a value is wanted."""
    if symbol.kind == "task":
        fix = Fix(f"a step calls it: `step x = {node.id}(…)`")
        ctx.report.add("T207", f"task `{node.id}` is no value", node.span, "a task", fix)
    elif symbol.unit is not None:
        members = [f"{node.id}.{name}" for name in symbol.unit.members()]
        way = Fix(f"take something of it: {listed(members)}") if members else None
        ctx.report.add("T207", f"`{node.id}` is no value by itself", node.span, "a file", way)
    return UNKNOWN
