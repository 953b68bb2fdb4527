"""A pipeline as a whole: its names first, then its steps, then how they hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidelang import blocks
from tidelang.checking.bodies import Parts, no_labels, setting, sorted_body
from tidelang.checking.cache_warnings import warn_of_caches
from tidelang.checking.called import called_by
from tidelang.checking.constants import Constants
from tidelang.checking.context import DEFAULTS, SETTLED, Context
from tidelang.checking.deadline_warnings import warn_of_deadlines
from tidelang.checking.deadlines import Due, read_deadline
from tidelang.checking.executors import Executors
from tidelang.checking.lets import check_lets, drawn
from tidelang.checking.params import check_param
from tidelang.checking.schedules import check_schedule
from tidelang.checking.settings import Settings, read_settings
from tidelang.checking.steps import Draft, check_step, declare_step
from tidelang.checking.triggers import check_trigger
from tidelang.checking.units import Unit
from tidelang.checking.unreachable import warn_of_unreachable
from tidelang.definition import Approval, Notification, Param, Schedule, Trigger
from tidelang.diagnostics import Fix, Related
from tidelang.graph import Cycle, Walk
from tidelang.scope import Scope
from tidelang.syntax import Block, Item, Let, Pipeline, Step
from tidelang.syntax import Param as ParamNode


@dataclass(slots=True)
class Checked:
    """A pipeline of a file. `lets` are its own, in the order in which they can be worked
    out; `used` are those its steps use, the file's too."""

    node: Pipeline
    unit: Unit
    ctx: Context
    parts: Parts
    description: str = ""
    max_parallel: int | None = None
    concurrency: int | None = None
    due: Due = field(default_factory=Due)
    params: dict[str, Param] = field(default_factory=dict)
    lets: list[str] = field(default_factory=list)
    used: dict[str, None] = field(default_factory=dict)
    values: dict[str, tuple[object, ...]] = field(default_factory=dict)
    defaults: Settings = field(default_factory=Settings)
    steps: list[Draft] = field(default_factory=list)
    schedules: tuple[Schedule, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    notifications: tuple[Notification, ...] = ()

    @property
    def name(self) -> str:
        return self.node.name.id

    @property
    def scope(self) -> Scope:
        return self.ctx.scope


def declare_pipeline(unit: Unit, node: Pipeline) -> None:
    """Declares a pipeline with its params, which others give when they run it."""
    name, report = node.name.id, unit.report
    if name in unit.pipelines:
        first = unit.pipelines[name].node.name.span
        related = (Related(first, "first declared here"),)
        message = f"pipeline `{name}` is declared twice"
        fix = Fix("give one of them another name")
        report.add("T102", message, node.name.span, "declared again", fix, related)
        return
    ctx = Context(report, Scope(report, unit.scope), Constants(unit.constants), unit.plugins)
    parts = sorted_body(report, node.body, blocks.PIPELINE)
    checked = unit.pipelines[name] = Checked(node, unit, ctx, parts)
    for item in parts.declarations:
        if isinstance(item, ParamNode) and (param := check_param(ctx, item)):
            checked.params[param.name] = param


def check_pipeline(checked: Checked) -> None:
    """Looks at everything else in a pipeline, once all of its file is declared."""
    ctx, parts, node = checked.ctx, checked.parts, checked.node
    report, executors = ctx.report, checked.unit.executors
    _declare(ctx, checked, parts.declarations)
    ctx.lets = checked.used
    ctx.place = SETTLED
    description = setting(ctx, parts, blocks.PIPELINE, "description")
    checked.description = description if isinstance(description, str) else ""
    most = setting(ctx, parts, blocks.PIPELINE, "max_parallel")
    checked.max_parallel = most if isinstance(most, int) else None
    runs = setting(ctx, parts, blocks.PIPELINE, "concurrency")
    checked.concurrency = runs if isinstance(runs, int) else None
    checked.due = read_deadline(ctx, parts, blocks.PIPELINE)
    checked.defaults = _defaults(ctx, parts.block("defaults"), executors)
    for draft in checked.steps:
        check_step(ctx, draft, executors)
    _executors(ctx, checked, executors)
    _hang_together(ctx, checked)
    if not report.errors:
        warn_of_caches(ctx, checked.steps)
        warn_of_deadlines(ctx, checked.due, checked.steps)
        warn_of_unreachable(ctx, checked.steps)
    ctx.lets = {}  # what stands in schedules and triggers is worked out now
    schedules = parts.blocks.get("schedule", ())
    checked.schedules = tuple(check_schedule(ctx, each, checked.params) for each in schedules)
    found = (
        check_trigger(ctx, each, node, checked.params) for each in parts.blocks.get("trigger", ())
    )
    checked.triggers = tuple(each for each in found if each is not None)
    ctx.lets = checked.used
    told = (checked.unit.notifiers.check(ctx, each) for each in parts.blocks.get("notify", ()))
    checked.notifications = tuple(each for each in told if each is not None)
    if not any(isinstance(item, Step) for item in parts.declarations) and not parts.unread:
        fix = Fix('add one: `step build { run = "make" }`')
        message = f"pipeline `{node.name.id}` has no steps"
        report.add("T310", message, node.name.span, "nothing to run", fix)


def _declare(ctx: Context, checked: Checked, items: Sequence[Item]) -> None:
    """All names, so that the order of declarations does not matter. Steps come before
    lets, since a let that uses one is told so."""
    for item in items:
        if isinstance(item, Step):
            called = called_by(ctx, checked.unit, item)
            if draft := declare_step(ctx, item, called):
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
        if isinstance(draft.action, Approval) or draft.subrun:
            continue  # nothing is run here: no default has a meaning
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
