"""Tasks: a step's body with params, checked once by itself and then for each call.

A call puts the arguments' meanings in the place of the params, in the scope of the
task's own file: a settled argument serves where a setting must be known before the run,
and nothing of the caller's is seen that was not handed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tidelang import blocks, limits
from tidelang.checking.arguments import bound, given
from tidelang.checking.bodies import Parts, sorted_body
from tidelang.checking.constants import Constants
from tidelang.checking.context import Context
from tidelang.checking.executors import Executors
from tidelang.checking.params import check_param
from tidelang.checking.steps import Draft, check_body, output_types
from tidelang.checking.units import Unit
from tidelang.definition import Expr, Param, Type
from tidelang.diagnostics import Fix, Related
from tidelang.report import Report
from tidelang.schema import Schema
from tidelang.scope import Scope, Symbol
from tidelang.syntax import Call
from tidelang.syntax import Step as StepNode
from tidelang.syntax import Task as TaskNode

PRIME = "'"
"""Stands behind the names of loop variables in a task's body, so that an argument that
uses a loop variable of the caller still means that one."""


@dataclass(slots=True)
class Task:
    """A task of a file. `sound` says that its body has no mistake of its own."""

    node: TaskNode
    unit: Unit
    parts: Parts
    outputs: dict[str, Type]
    params: dict[str, Param] = field(default_factory=dict)
    sound: bool = False
    symbols: list[Symbol] = field(default_factory=list)
    """Its params."""

    @property
    def name(self) -> str:
        return self.node.name.id


def declare_task(unit: Unit, node: TaskNode) -> None:
    """Declares a task with its outputs, unless its name is taken."""
    symbol = Symbol(node.name.id, "task", node.name.span)
    if not unit.scope.declare(symbol):
        return
    parts = sorted_body(unit.report, node.body, blocks.TASK)
    ctx = Context(unit.report, unit.scope, unit.constants, unit.plugins)
    unit.tasks[node.name.id] = Task(node, unit, parts, output_types(ctx, parts))


def check_task(task: Task) -> None:
    """Looks at the params, and at the body by itself."""
    unit = task.unit
    before = unit.report.count
    scope = Scope(unit.report, unit.scope)
    ctx = Context(unit.report, scope, Constants(unit.constants), unit.plugins)
    for node in task.node.params:
        if param := check_param(ctx, node, stored=False):
            task.params[param.name] = param
            ctx.scope.names[param.name].expr = ("ref", "argument", param.name)
    check_body(ctx, _draft(task), unit.executors)
    task.sound = unit.report.count == before and not unit.report.unread_in(task.node.span)
    task.symbols = list(ctx.scope.names.values())


def _draft(task: Task) -> Draft:
    node = task.node
    as_step = StepNode(node.name, None, None, False, node.body, node.span)
    return Draft(task.name, as_step, task.parts, task.outputs)


# --- calls -------------------------------------------------------------------------------


@dataclass(slots=True)
class TaskCall:
    """A step's call of a task (see `steps.Called`)."""

    task: Task
    node: Call
    schema: Schema = blocks.STEP

    @property
    def outputs(self) -> dict[str, Type]:
        return self.task.outputs

    def check(self, ctx: Context, draft: Draft, executors: Executors) -> Draft | None:
        """The task's body with the arguments in it; None where that makes no sense."""
        del executors  # those of the task's own file are asked
        what = f"task `{self.task.name}`"
        arguments = bound(ctx, self.node, self.task.params, what)
        if arguments is None:
            return None
        before = ctx.report.count
        values = {
            name: given(ctx, arguments.get(name), param, what)
            for name, param in self.task.params.items()
        }
        if ctx.report.count != before or not self.task.sound or not self._within_limit(ctx):
            return None
        return self._expanded(ctx, draft, values)

    def _within_limit(self, ctx: Context) -> bool:
        unit, span = self.task.unit, self.task.node.span
        before, unit.expanded = unit.expanded, unit.expanded + span.end - span.start
        if before <= limits.EXPANSION < unit.expanded:
            size = limits.EXPANSION // 2**20
            message = (
                f"the tasks that are called come to more than {size} MiB of text, call by call"
            )
            fix = Fix("call a task once with `for`, or make it shorter")
            ctx.report.add("T097", message, self.node.span, "one too many", fix)
        return unit.expanded <= limits.EXPANSION

    def _expanded(self, ctx: Context, draft: Draft, values: dict[str, Expr]) -> Draft | None:
        unit = self.task.unit
        report = Report(unit.source)
        scope = Scope(report, unit.outside, prime=PRIME)
        for node in self.task.node.params:
            name = node.name.id
            kind = self.task.params[name].type
            scope.names[name] = Symbol(name, "param", node.name.span, values[name], kind)
        inner = Context(report, scope, Constants(unit.constants), unit.plugins)
        base = _draft(self.task)
        base.name = draft.name
        check_body(inner, base, unit.executors.reporting(report))
        for found in report.diagnostics:
            self._told(ctx, found.code, found.message, Related(found.span, "in the task"))
        return None if report.errors else base

    def _told(self, ctx: Context, code: str, message: str, place: Related) -> None:
        """What is wrong with these arguments alone belongs to the call."""
        note = f"task `{self.task.name}` is in order by itself; these arguments are not for it"
        fix = Fix("give it other arguments")
        ctx.report.add(code, message, self.node.span, "by this call", fix, (place,), (note,))
