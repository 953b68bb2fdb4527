"""Schedules: when runs start by themselves, and with which params."""

from __future__ import annotations

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting, sorted_body
from tidelang.checking.constants import literal
from tidelang.checking.context import SETTLED, Context
from tidelang.checking.expect import settled
from tidelang.checking.given import params_of
from tidelang.cron import CronError, five_fields, nearest_zone, zone_exists
from tidelang.definition import Expr, Param, Schedule
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.syntax import Attribute, Block, DurationLiteral, Expression, String
from tidelang.values import Duration

_SHORTEST = 1_000


def check_schedule(ctx: Context, block: Block, params: dict[str, Param]) -> Schedule:
    """One `schedule` block."""
    ctx.place = SETTLED
    cron, every = _label(ctx, block)
    parts = sorted_body(ctx.report, block.body, blocks.SCHEDULE)
    zone = setting(ctx, parts, blocks.SCHEDULE, "timezone")
    if isinstance(zone, str):
        _zone(ctx, parts.attributes["timezone"], zone)
    jitter = setting(ctx, parts, blocks.SCHEDULE, "jitter")
    return Schedule(
        cron=cron,
        every=every,
        timezone=zone if isinstance(zone, str) else "UTC",
        params=params_of(ctx, block, parts, params, _known),
        overlap=_word(ctx, parts, "overlap", "skip"),
        catchup=_word(ctx, parts, "catchup", "latest"),
        jitter=int(jitter) if isinstance(jitter, Duration) else 0,
        prewarm=_prewarm(ctx, parts, every),
    )


def _prewarm(ctx: Context, parts: Parts, every: int | None) -> int:
    ahead = setting(ctx, parts, blocks.SCHEDULE, "prewarm")
    if not isinstance(ahead, Duration):
        return 0
    if every is not None and ahead >= every:
        node = parts.attributes["prewarm"].value
        message = f"`prewarm` is not shorter than the time between two runs, {Duration(every)}"
        fix = Fix("make it shorter, or take it out: workers would always be getting ready")
        ctx.report.add("W401", message, node.span, "longer than it helps", fix)
    return int(ahead)


def _word(ctx: Context, parts: Parts, name: str, default: str) -> str:
    found = setting(ctx, parts, blocks.SCHEDULE, name)
    return found if isinstance(found, str) else default


def _label(ctx: Context, block: Block) -> tuple[str | None, int | None]:
    label = block.labels[0] if len(block.labels) == 1 else None
    if isinstance(label, DurationLiteral):
        if label.milliseconds < _SHORTEST:
            fix = Fix("the shortest is", label.span, "1s")
            message = "a schedule cannot be shorter than one second"
            ctx.report.add("T403", message, label.span, "too short", fix)
        return None, label.milliseconds
    if isinstance(label, String) and label.plain is not None:
        return _cron(ctx, label, label.plain), None
    if not ctx.report.unread_in(block.span):
        fix = Fix('write `schedule "0 2 * * *"` or `schedule 15m`')
        span = block.labels[0].span if block.labels else block.kind_span
        message = "`schedule` takes one cron expression or one duration"
        ctx.report.add("T113", message, span, "", fix)
    return None, None


def _cron(ctx: Context, label: String, text: str) -> str | None:
    try:
        return five_fields(text)
    except CronError as error:
        span = label.span
        inside = span.text.find(text)
        if inside >= 0:
            start = span.start + inside
            span = Span(span.source, start + error.start, start + max(error.end, error.start + 1))
        fix = Fix(error.help) if error.help else None
        ctx.report.add("T401", error.message, span, "", fix)
        return None


def _zone(ctx: Context, attribute: Attribute, zone: str) -> None:
    if zone_exists(zone):
        return
    near, span = nearest_zone(zone), attribute.value.span
    fix = Fix("names are as in `Europe/Berlin`, or `UTC`")
    if near:
        fix = Fix(f"did you mean `{near}`?", span, f'"{near}"')
    ctx.report.add("T402", f"there is no time zone `{zone}`", span, "not an IANA name", fix)


def _known(ctx: Context, node: Expression, expr: Expr, what: str) -> Expr:
    """A param's value, worked out now."""
    before = ctx.report.count
    value = settled(ctx, node, expr, what)
    return literal(value) if ctx.report.count == before else expr
