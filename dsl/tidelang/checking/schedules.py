"""Schedules: when runs start by themselves, and with which params."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting, sorted_body
from tidelang.checking.constants import literal
from tidelang.checking.context import SETTLED, Context
from tidelang.checking.days import days_of
from tidelang.checking.expect import settled
from tidelang.checking.given import params_of
from tidelang.cron import CronError, five_fields, nearest_zone, zone_exists
from tidelang.definition import Expr, Param, Schedule
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.syntax import Attribute, Block, DurationLiteral, Expression, Name, String
from tidelang.values import Duration

_SHORTEST = 1_000
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?", re.ASCII)
_DATED = re.compile(r"\s*\d{4}-\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Label:
    """What stands before the braces: one of the three, or none where it is wrong."""

    cron: str | None = None
    every: int | None = None
    at: str | None = None


def check_schedule(ctx: Context, block: Block, params: dict[str, Param]) -> Schedule:
    """One `schedule` block."""
    ctx.place = SETTLED
    label = _label(ctx, block)
    parts = sorted_body(ctx.report, block.body, blocks.SCHEDULE)
    zone = setting(ctx, parts, blocks.SCHEDULE, "timezone")
    if isinstance(zone, str):
        _zone(ctx, parts.attributes["timezone"], zone)
    jitter = setting(ctx, parts, blocks.SCHEDULE, "jitter")
    return Schedule(
        cron=label.cron,
        every=label.every,
        at=label.at,
        timezone=zone if isinstance(zone, str) else "UTC",
        params=params_of(ctx, block, parts, params, _known),
        overlap=_word(ctx, parts, "overlap", "skip"),
        catchup=_word(ctx, parts, "catchup", "latest"),
        dst=_dst(ctx, parts, label.every),
        excluded=days_of(ctx, parts),
        jitter=int(jitter) if isinstance(jitter, Duration) else 0,
        prewarm=_prewarm(ctx, parts, label.every),
    )


def _dst(ctx: Context, parts: Parts, every: int | None) -> str | None:
    found = setting(ctx, parts, blocks.SCHEDULE, "dst")
    if every is not None and "dst" in parts.attributes:
        attribute = parts.attributes["dst"]
        fix = Fix("take it out, or give the schedule a cron expression")
        message = "`dst` means nothing for an interval, which goes by no wall clock"
        ctx.report.add("T411", message, attribute.name_span, "no clock is changed here", fix)
    return found if isinstance(found, str) else None


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


def _label(ctx: Context, block: Block) -> _Label:
    label = block.labels[0] if len(block.labels) == 1 else None
    if isinstance(label, DurationLiteral):
        if label.milliseconds < _SHORTEST:
            fix = Fix("the shortest is", label.span, "1s")
            message = "a schedule cannot be shorter than one second"
            ctx.report.add("T403", message, label.span, "too short", fix)
        return _Label(every=label.milliseconds)
    if isinstance(label, String) and label.plain is not None:
        return _Label(cron=_cron(ctx, label, label.plain))
    match block.labels:
        case (Name(id="at"), String() as moment) if moment.plain is not None:
            return _Label(at=_moment(ctx, moment, moment.plain))
    if not ctx.report.unread_in(block.span):
        fix = Fix(
            'write `schedule "0 2 * * *"`, `schedule 15m` or `schedule at "2026-12-24 06:00"`'
        )
        span = block.labels[0].span if block.labels else block.kind_span
        message = "`schedule` takes a cron expression, a duration, or `at` and a time"
        ctx.report.add("T113", message, span, "", fix)
    return _Label()


def _moment(ctx: Context, label: String, text: str) -> str | None:
    """A moment on the wall clock, in one form."""
    problem = "not a moment as in `2026-12-24 06:00`"
    if _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text).isoformat()
        except ValueError as error:
            problem = f"there is no such moment: {error}"
    fix = Fix('write the day and the time: `schedule at "2026-12-24 06:00"`')
    if re.search(r"\d(Z|[+-]\d\d:?\d\d)$", text):
        fix = Fix("leave the offset away: `timezone` says which zone's clock it is")
    ctx.report.add("T410", f"`{text}` is no moment", label.span, problem, fix)
    return None


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
        if _DATED.match(text):
            fix = Fix("a time that comes once is written", label.span, f"at {label.span.text}")
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
