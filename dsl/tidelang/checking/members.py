"""What an import's alias, and `event`, stand for where a value is wanted."""

from __future__ import annotations

from tidelang.checking.context import UNKNOWN, Context, Typed
from tidelang.diagnostics import Fix
from tidelang.scope import Symbol
from tidelang.suggest import listed, nearest
from tidelang.syntax import Member, Name
from tidelang.types import ANY


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


def event_field(ctx: Context, node: Member) -> Typed:
    """`event.branch`: what its sender put into it is known only when it comes."""
    if ctx.place.event:
        return ANY, ("ref", "event", node.name)
    _no_event(ctx, node)
    return UNKNOWN


def event_itself(ctx: Context, node: Name) -> Typed:
    if not ctx.place.event:
        _no_event(ctx, node)
        return UNKNOWN
    fix = Fix("take one of its fields, as its sender names them: `event.branch`")
    ctx.report.add("T207", "`event` is no value by itself", node.span, "which field?", fix)
    return UNKNOWN


def _no_event(ctx: Context, node: Member | Name) -> None:
    message = f"`{node.span.text}` is not known in {ctx.place.title}"
    fix = Fix("use it in `when` and `params` of a `trigger`; a param brings it to the steps")
    ctx.report.add("T109", message, node.span, "known only where an event starts a run", fix)


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
