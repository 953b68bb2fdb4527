"""A pipeline as a whole: its names first, then its steps, then how they hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidelang import blocks
from tidelang.checking.bodies import no_labels, setting, sorted_body
from tidelang.checking.cache_warnings import warn_of_caches
from tidelang.checking.constants import Constants
from tidelang.checking.context import DEFAULTS, SETTLED, Context
from tidelang.checking.executors import Executors
from tidelang.checking.lets import check_lets, drawn
from tidelang.checking.notify import Notifiers
from tidelang.checking.params import check_param
from tidelang.checking.schedules import check_schedule
from tidelang.checking.settings import Settings, read_settings
from tidelang.checking.steps import Draft, check_step, declare_step
from tidelang.definition import Approval, Notification, Param, Schedule
from tidelang.diagnostics import Fix, Related
from tidelang.graph import Cycle, Walk
from tidelang.report import Report
from tidelang.scope import Scope, Symbol
from tidelang.syntax import Block, Item, Let, Pipeline, Step
from tidelang.syntax import Param as ParamNode


@dataclass(slots=True)
class Checked:
    """A pipeline that has been looked at. `lets` are its own, in the order in which they
    can be worked out; `used` are those its steps use, the file's too."""

    name: str
    scope: Scope
    description: str = ""
    max_parallel: int | None = None
    params: dict[str, Param] = field(default_factory=dict)
    lets: list[str] = field(default_factory=list)
    used: dict[str, None] = field(default_factory=dict)
    values: dict[str, tuple[object, ...]] = field(default_factory=dict)
    defaults: Settings = field(default_factory=Settings)
    steps: list[Draft] = field(default_factory=list)
    schedules: tuple[Schedule, ...] = ()
    notifications: tuple[Notification, ...] = ()


def check_pipeline(
    report: Report,
    node: Pipeline,
    scope: Scope,
    constants: Constants,
    executors: Executors,
    notifiers: Notifiers,
) -> Checked:
    """Checks one pipeline within the scope of its file."""
    ctx = Context(report, Scope(report, scope), Constants(constants))
    parts = sorted_body(report, node.body, blocks.PIPELINE)
    checked = Checked(node.name.id, ctx.scope)
    _declare(ctx, checked, parts.declarations)
    ctx.lets = checked.used
    ctx.place = SETTLED
    description = setting(ctx, parts, blocks.PIPELINE, "description")
    checked.description = description if isinstance(description, str) else ""
    most = setting(ctx, parts, blocks.PIPELINE, "max_parallel")
    checked.max_parallel = most if isinstance(most, int) else None
    checked.defaults = _defaults(ctx, parts.block("defaults"), executors)
    for draft in checked.steps:
        check_step(ctx, draft, executors)
    _executors(ctx, checked, executors)
    _hang_together(ctx, checked)
    if not report.errors:
        warn_of_caches(ctx, checked.steps)
    schedules = parts.blocks.get("schedule", ())
    checked.schedules = tuple(check_schedule(ctx, each, checked.params) for each in schedules)
    told = (notifiers.check(ctx, each) for each in parts.blocks.get("notify", ()))
    checked.notifications = tuple(each for each in told if each is not None)
    if not any(isinstance(item, Step) for item in parts.declarations) and not parts.unread:
        fix = Fix('add one: `step build { run = "make" }`')
        message = f"pipeline `{node.name.id}` has no steps"
        report.add("T310", message, node.name.span, "nothing to run", fix)
    return checked


def _declare(ctx: Context, checked: Checked, items: Sequence[Item]) -> None:
    """All names, so that the order of declarations does not matter. Steps come before
    lets, since a let that uses one is told so."""
    for item in items:
        if isinstance(item, ParamNode) and (param := check_param(ctx, item)):
            checked.params[param.name] = param
    for item in items:
        if isinstance(item, Step) and (draft := declare_step(ctx, item)):
            checked.steps.append(draft)
    checked.lets = check_lets(ctx, [item for item in items if isinstance(item, Let)])
    checked.values = ctx.values


def _defaults(ctx: Context, block: Block | None, executors: Executors) -> Settings:
    if block is None:
        return Settings()
    no_labels(ctx.report, block)
    ctx.place = DEFAULTS
    parts = sorted_body(ctx.report, block.body, blocks.DEFAULTS)
    return read_settings(ctx, parts, blocks.DEFAULTS, executors)


def _executors(ctx: Context, checked: Checked, executors: Executors) -> None:
    for draft in checked.steps:
        if isinstance(draft.action, Approval):
            continue  # nothing is run: no default has a meaning there
        draft.settings = draft.settings.over(checked.defaults)
        if draft.settings.executor is not None:
            executors.complete(ctx, draft.settings.executor)


# --- the graph ---------------------------------------------------------------------------


def _hang_together(ctx: Context, checked: Checked) -> None:
    drafts = {draft.name: draft for draft in checked.steps}
    for cycle in Walk({name: draft.needs for name, draft in drafts.items()}).cycles:
        _circle(ctx, cycle, drafts)


def _circle(ctx: Context, cycle: Cycle, drafts: dict[str, Draft]) -> None:
    places = [drafts[a].needs[b] for a, b in pairwise(cycle)]
    related = tuple(
        Related(span, f"`{name}` waits for `{after}`")
        for span, name, after in zip(places[1:8], cycle[1:8], cycle[2:9], strict=False)
    )
    message = f"these steps wait for each other: {drawn(cycle)}"
    fix = Fix("take one of these needs away")
    label = f"`{cycle[0]}` waits for `{cycle[1]}`"
    ctx.report.add("T302", message, places[0], label, fix, related)


# --- what nobody uses ----------------------------------------------------------------------


_UNUSED = "take it out, or let its name begin with `_` to keep it"


def unused(report: Report, symbols: list[Symbol]) -> None:
    """Warns of lets and params that nothing uses."""
    for symbol in symbols:
        if symbol.used or symbol.name.startswith("_"):
            continue
        if symbol.kind == "let":
            message = f"let `{symbol.name}` is never used"
            report.add("W101", message, symbol.span, "", Fix(_UNUSED))
        elif symbol.kind == "param":
            message = f"param `{symbol.name}` is never used"
            report.add("W102", message, symbol.span, "", Fix(_UNUSED))
