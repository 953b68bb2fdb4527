"""What stands behind `step x =`: a task or a pipeline, of this file or an imported one."""

from __future__ import annotations

from collections.abc import Mapping

from tidelang.checking.context import Context
from tidelang.checking.steps import Called
from tidelang.checking.subruns import PipelineCall
from tidelang.checking.tasks import TaskCall
from tidelang.checking.units import Unit
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import Call, Expression, Member, Name
from tidelang.syntax import Step as StepNode


def called_by(ctx: Context, unit: Unit, node: StepNode) -> Called | None:
    """What a step calls; None where it calls nothing, or nothing that is there, which
    has been said then."""
    if not isinstance(node.call, Call):
        return None
    found = _owner(ctx, unit, node.call.function)
    if found is None:
        return None
    owner, name, span = found
    if node.calls_pipeline:
        if name in owner.pipelines:
            return PipelineCall(owner.pipelines[name], node.call)
    elif name in owner.tasks:
        return TaskCall(owner.tasks[name], node.call)
    _missing(ctx, unit, node, owner, name, span)
    return None


def _owner(ctx: Context, unit: Unit, function: Expression) -> tuple[Unit, str, Span] | None:
    """The file that is meant, and the name in it."""
    if isinstance(function, Name):
        return unit, function.id, function.span
    if not isinstance(function, Member) or not isinstance(function.value, Name):
        fix = Fix("write `= name(…)`, or `= alias.name(…)` for one of an imported file")
        ctx.report.add("T116", "a step calls a task by its name", function.span, "no name", fix)
        return None
    alias = ctx.scope.find(function.value.id)
    if alias is not None and alias.kind == "import":
        alias.used = True
        owner = unit.imports.get(function.value.id)
        return None if owner is None else (owner, function.name, function.name_span)
    if ctx.report.may_be_unread(function.value.id):
        return None
    aliases = list(unit.imports)
    way = Fix(f"the imports are {listed(aliases)}") if aliases else None
    if near := nearest(function.value.id, aliases):
        way = Fix(f"did you mean `{near}`?", function.value.span, near)
    message = f"there is no import `{function.value.id}`"
    ctx.report.add("T116", message, function.value.span, "not imported", way)
    return None


def _missing(ctx: Context, unit: Unit, node: StepNode, owner: Unit, name: str, span: Span) -> None:
    kind, known, other = "task", owner.tasks, owner.pipelines
    if node.calls_pipeline:
        kind, known, other = "pipeline", owner.pipelines, owner.tasks  # type: ignore[assignment]
    if owner.report.may_be_unread(name):
        return
    where = "" if owner is unit else f" in `{owner.source.name}`"
    fix = _fix(kind, list(known), other, name, span)
    ctx.report.add("T116", f"there is no {kind} `{name}`{where}", span, f"not a {kind}", fix)


def _fix(
    kind: str, known: list[str], other: Mapping[str, object], name: str, span: Span
) -> Fix | None:
    if name in other and kind == "task":
        return Fix(f"`{name}` is a pipeline: write `= pipeline {name}(…)`")
    if name in other:
        return Fix(f"`{name}` is a task: leave out `pipeline`")
    if near := nearest(name, known):
        return Fix(f"did you mean `{near}`?", span, near)
    return Fix(f"there are {listed(known)}" if known else f"no {kind} is declared there")
