"""Steps: their outputs first, since others use them, and then what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tidelang import blocks
from tidelang.bounds import MAX_INSTANCES
from tidelang.checking.approvals import approval, nothing_to_run
from tidelang.checking.bodies import Parts, setting, sorted_body, value
from tidelang.checking.calls import step_named
from tidelang.checking.constants import EvaluationError, Unknown
from tidelang.checking.context import FOR, STEP, UNKNOWN, WHEN, Context
from tidelang.checking.executors import Executors
from tidelang.checking.expect import expect
from tidelang.checking.forms import iterable_of, unpacked
from tidelang.checking.patterns import check_pattern
from tidelang.checking.scripts import action
from tidelang.checking.secrets import no_output
from tidelang.checking.settings import Settings, read_settings
from tidelang.checking.typenames import declared
from tidelang.definition import Approval, Argv, Expr, Loop, Output, Script, Type
from tidelang.diagnostics import Fix, Related
from tidelang.schema import Schema
from tidelang.scope import Symbol
from tidelang.source import Span
from tidelang.syntax import Attribute, For, ListExpression, Name, String
from tidelang.syntax import Output as OutputNode
from tidelang.syntax import Step as StepNode
from tidelang.types import ANY, FILE, STRING, inner, list_of
from tidelang.values import Value, shown


class Called(Protocol):
    """What stands behind `step x =`: a task or a pipeline. `schema` is what the step's own
    body takes, `outputs` what it puts out by being called."""

    schema: Schema

    @property
    def outputs(self) -> dict[str, Type]: ...

    def check(self, ctx: Context, draft: Draft, executors: Executors) -> Draft | None:
        """Looks at the call; the body that lies under the step's own, if there is one."""


@dataclass(slots=True)
class Draft:
    """A step that has been looked at; `needs` says where each needed step is named."""

    name: str
    node: StepNode
    parts: Parts
    types: dict[str, Type]
    called: Called | None = None
    action: Script | Argv | Approval | None = None
    subrun: bool = False
    loop: Loop | None = None
    needs: dict[str, Span] = field(default_factory=dict)
    when: Expr | None = None
    when_decides: bool = False
    max_parallel: int | None = None
    outputs: tuple[Output, ...] = ()
    settings: Settings = field(default_factory=Settings)
    allow_failure: bool = False
    description: str = ""


def declare_step(ctx: Context, node: StepNode, called: Called | None) -> Draft | None:
    """Declares a step with its outputs; None where its name is taken."""
    symbol = Symbol(node.name.id, "step", node.name.span)
    if not ctx.scope.declare(symbol):
        return None
    parts = sorted_body(ctx.report, node.body, called.schema if called else blocks.STEP)
    types = output_types(ctx, parts)
    if called is not None:
        _not_twice(ctx, node, parts, types, called)
        types = {**called.outputs, **types}
    symbol.open = node.call is not None and called is None
    symbol.outputs = {n: list_of(t) for n, t in types.items()} if node.loop else types
    return Draft(node.name.id, node, parts, types, called)


def _not_twice(
    ctx: Context, node: StepNode, parts: Parts, types: dict[str, Type], called: Called
) -> None:
    """What a task does, and what it puts out, is its own matter."""
    for item in parts.declarations:
        if isinstance(item, OutputNode) and item.name.id in called.outputs:
            message = f"output `{item.name.id}` is declared by the task already"
            fix = Fix("take it out, or give it another name")
            ctx.report.add("T102", message, item.name.span, "declared again", fix)
            types.pop(item.name.id, None)
    own = parts.attributes.get("run")
    approve = parts.block("approve")
    span = own.name_span if own else approve.kind_span if approve else None
    if span is not None and node.call is not None:
        related = (Related(node.call.span, "it does this"),)
        message = f"step `{node.name.id}` calls a task, so it has no `{span.text}` of its own"
        fix = Fix("take one of the two out; what a task does is written in the task")
        ctx.report.add("T117", message, span, "not here", fix, related)


def output_types(ctx: Context, parts: Parts) -> dict[str, Type]:
    """The types of the outputs that a body declares, each name once."""
    types: dict[str, Type] = {}
    spans: dict[str, Span] = {}
    kept = []
    for node in parts.declarations:
        if not isinstance(node, OutputNode):
            continue
        name = node.name.id
        if name in types:
            related = (Related(spans[name], "first declared here"),)
            message = f"output `{name}` is declared twice"
            ctx.report.add("T102", message, node.name.span, "declared again", related=related)
            continue
        spans[name] = node.name.span
        types[name] = declared(ctx.report, node.type) if node.type else _untyped(ctx, node)
        if types[name].name == "secret":
            no_output(ctx.report, node)
            types[name] = ANY
        kept.append(node)
    parts.declarations = [*kept]
    return types


def _untyped(ctx: Context, node: OutputNode) -> Type:
    name = "file" if node.value else "string"
    fix = Fix(f"add `: {name}`", node.name.span, f"{node.name.id}: {name}")
    message = f"output `{node.name.id}` has no type"
    ctx.report.add("T213", message, node.name.span, "which type?", fix)
    return ANY


# --- what is in a step -----------------------------------------------------------------


def check_step(ctx: Context, draft: Draft, executors: Executors) -> None:
    """Looks at everything in a step."""
    ctx.step, ctx.uses = draft.name, {}
    loop = draft.node.loop
    if loop is None:
        _check_call(ctx, draft, executors)
    else:
        draft.loop, types = _loop(ctx, loop)
        with ctx.scope.loop(zip(loop.targets, types, strict=True)):
            _check_call(ctx, draft, executors)
    _check_needs(ctx, draft)
    ctx.step = ""


def _check_call(ctx: Context, draft: Draft, executors: Executors) -> None:
    """The step's own body, and under it that of the task it calls."""
    ctx.place = STEP
    base = draft.called.check(ctx, draft, executors) if draft.called else None
    check_body(ctx, draft, executors)
    if base is None:
        return
    draft.action = base.action
    if isinstance(base.action, Approval) and draft.node.call is not None:
        nothing_to_run(ctx, draft.parts, Related(draft.node.call.span, "the approval"))
    draft.outputs = (*base.outputs, *draft.outputs)
    draft.settings = draft.settings.over(base.settings)
    draft.when = base.when if draft.when is None else _both(base.when, draft.when)
    draft.allow_failure = draft.allow_failure or base.allow_failure
    draft.description = draft.description or base.description
    draft.max_parallel = draft.max_parallel or base.max_parallel


def _both(one: Expr | None, other: Expr) -> Expr:
    return other if one is None else ("op", "and", one, other)


def check_body(ctx: Context, draft: Draft, executors: Executors) -> None:
    """Looks at what stands in a step's or a task's braces."""
    parts = draft.parts
    if "when" in parts.attributes:
        ctx.place, ctx.states = WHEN, False
        draft.when = value(ctx, parts, blocks.STEP, "when")
        draft.when_decides = ctx.states
    ctx.place = STEP
    _action(ctx, draft)
    draft.outputs = tuple(_outputs(ctx, draft))
    draft.settings = read_settings(ctx, parts, blocks.STEP, executors)
    _plain_settings(ctx, draft)


def _action(ctx: Context, draft: Draft) -> None:
    parts = draft.parts
    run, approve = parts.attributes.get("run"), parts.block("approve")
    if run is not None:
        draft.action = action(ctx, run.value)
    if approve is not None:
        draft.action = approval(ctx, draft.name, parts, approve)
    elif run is None and draft.node.call is None and not _unread(ctx, draft):
        fix = Fix('add what it runs: `run = "make test"`')
        message = f"step `{draft.name}` does nothing"
        ctx.report.add("T305", message, draft.node.name.span, "no `run`", fix)


def _unread(ctx: Context, draft: Draft) -> bool:
    parts = draft.parts
    return parts.unread or ctx.report.unread_in(draft.node.span)


def _plain_settings(ctx: Context, draft: Draft) -> None:
    parts = draft.parts
    description = setting(ctx, parts, blocks.STEP, "description")
    draft.description = description if isinstance(description, str) else ""
    draft.allow_failure = setting(ctx, parts, blocks.STEP, "allow_failure") is True
    most = setting(ctx, parts, blocks.STEP, "max_parallel")
    draft.max_parallel = most if isinstance(most, int) else None
    if most is not None and draft.node.loop is None:
        span = parts.attributes["max_parallel"].name_span
        fix = Fix("take it out, or add `for … in …` to the step")
        message = "`max_parallel` does nothing without `for`"
        ctx.report.add("W303", message, span, "there is one task only", fix)


# --- outputs ---------------------------------------------------------------------------


def _outputs(ctx: Context, draft: Draft) -> list[Output]:
    nodes = [node for node in draft.parts.declarations if isinstance(node, OutputNode)]
    return [_output(ctx, node, draft.types[node.name.id]) for node in nodes]


def _output(ctx: Context, node: OutputNode, type: Type) -> Output:  # noqa: A002
    name = node.name.id
    of_files = type is FILE or (type.name == "list" and inner(type).name == "file")
    if node.value is None:
        if of_files:
            fix = Fix(f'say which: `output {name}: file = "dist/*.whl"`')
            message = f"output `{name}` is a file, and nothing says which"
            ctx.report.add("T307", message, node.name.span, "no pattern", fix)
        return Output(name, type)
    if not of_files and type.name != "any":
        fix = Fix(f'the script writes it: `echo "{name}=…" >> "$TIDE_OUTPUT"`')
        message = f"output `{name}` is no file, so it has no pattern"
        ctx.report.add("T308", message, node.value.span, "only files have one", fix)
        return Output(name, type)
    pattern = expect(ctx, node.value, STRING, f"the pattern of `{name}`")
    check_pattern(ctx, node.value, pattern)
    return Output(name, type, pattern)


# --- for -------------------------------------------------------------------------------


def _loop(ctx: Context, node: For) -> tuple[Loop, list[Type]]:
    ctx.place = FOR
    item, expr = iterable_of(ctx, node.iterable)
    types = unpacked(ctx, item, node.targets)
    if expr is not UNKNOWN[1]:
        _instances(ctx, node, expr)
    return Loop(tuple(target.id for target in node.targets), expr), types


def _instances(ctx: Context, node: For, expr: Expr) -> None:
    span = node.iterable.span
    try:
        items = ctx.constants.value(expr)
    except EvaluationError as error:
        ctx.report.add("T217", f"this list has no value: {error.message}", span)
        return
    if isinstance(items, Unknown) or not isinstance(items, list):
        return
    if not items:
        ctx.report.add("W301", "this list is empty: the step never runs", span, "no items")
    elif len(items) > MAX_INSTANCES:
        message = f"this makes {len(items):,} tasks; one step can have {MAX_INSTANCES:,}"
        ctx.report.add("T306", message, span, "too many")
    elif (twice := _repeated(items)) is not None:
        fix = Fix("take one out", span, f"unique({span.text})")
        if span.text.lstrip().startswith("["):
            fix = Fix("take one out")
        message = f"the list has {shown(twice)} twice: its tasks could not be told apart"
        ctx.report.add("T304", message, _second(node, twice), "again", fix)


def _repeated(items: list[Value]) -> Value:
    seen = set()
    for item in items:
        key = (type(item).__name__, repr(item))
        if key in seen:
            return item
        seen.add(key)
    return None


def _second(node: For, item: Value) -> Span:
    """Where the item stands again, if the list is written out."""
    if isinstance(node.iterable, ListExpression):
        same = [i for i in node.iterable.items if isinstance(i, String) and i.plain == item]
        if len(same) > 1:
            return same[1].span
    return node.iterable.span


# --- needs -----------------------------------------------------------------------------


def _check_needs(ctx: Context, draft: Draft) -> None:
    named: dict[str, Span] = {}
    attribute = draft.parts.attributes.get("needs")
    for node in _named(ctx, attribute) if attribute else ():
        symbol = step_named(ctx, node)
        if symbol is None:
            continue
        if symbol.name in named:
            related = (Related(named[symbol.name], "first named here"),)
            message = f"`needs` has `{symbol.name}` twice"
            ctx.report.add("W302", message, node.span, "again", Fix("take it out"), related)
        named.setdefault(symbol.name, node.span)
    draft.needs = {**ctx.uses, **named}


def _named(ctx: Context, attribute: Attribute) -> list[Name]:
    node = attribute.value
    items = node.items if isinstance(node, ListExpression) else (node,)
    names = []
    for item in items:
        if isinstance(item, Name):
            names.append(item)
        elif isinstance(item, String) and item.plain is not None and item.plain.isidentifier():
            fix = Fix("take the quotes away", item.span, item.plain)
            ctx.report.add("T201", "`needs` takes names of steps, not strings", item.span, "", fix)
        elif ctx.check(item)[1] is not UNKNOWN[1]:
            fix = Fix("write names of steps: `needs = [build]`")
            ctx.report.add("T201", "`needs` takes names of steps", item.span, "no name", fix)
    if isinstance(node, Name):
        fix = Fix("make it a list", node.span, f"[{node.id}]")
        ctx.report.add("T201", "`needs` is a list of steps", node.span, "one name", fix)
    return names
