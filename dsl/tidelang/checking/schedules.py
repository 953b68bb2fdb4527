"""Schedules: when runs start by themselves, and with which params."""

from __future__ import annotations

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting, sorted_body
from tidelang.checking.constants import literal
from tidelang.checking.context import SETTLED, Context
from tidelang.checking.expect import expect, settled
from tidelang.checking.forms import object_entries
from tidelang.checking.words import noun
from tidelang.cron import CronError, five_fields, nearest_zone, zone_exists
from tidelang.definition import Expr, Param, Schedule
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import Attribute, Block, DurationLiteral, ObjectExpression, String
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
        params=_params(ctx, block, parts, params),
        overlap=_word(ctx, parts, "overlap", "skip"),
        catchup=_word(ctx, parts, "catchup", "latest"),
        jitter=int(jitter) if isinstance(jitter, Duration) else 0,
    )


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


# --- params ------------------------------------------------------------------------------


def _params(
    ctx: Context, block: Block, parts: Parts, params: dict[str, Param]
) -> tuple[tuple[str, Expr], ...]:
    attribute = parts.attributes.get("params")
    given: dict[str, Expr] = {}
    if attribute is not None and not isinstance(attribute.value, ObjectExpression):
        found = noun(ctx.check(attribute.value)[0])
        fix = Fix("write `params = { name = value }`")
        ctx.report.add("T201", f"`params` must be written out, not {found}", attribute.value.span,
                       found, fix)  # fmt: skip
        return ()
    if attribute is not None and isinstance(attribute.value, ObjectExpression):
        given = _given(ctx, attribute.value, params)
    missing = [p.name for p in params.values() if p.default is None and p.name not in given]
    if missing and not parts.unread:
        message = f"this schedule gives no value for {listed(missing)}"
        fix = Fix(f"add `params = {{ {missing[0]} = … }}`, or give the param a default")
        ctx.report.add("T405", message, block.kind_span, "a run could not start", fix)
    return tuple(sorted(given.items()))


def _given(ctx: Context, node: ObjectExpression, params: dict[str, Param]) -> dict[str, Expr]:
    given: dict[str, Expr] = {}
    for entry in object_entries(ctx, node):
        param = params.get(entry.key)
        if param is None:
            _no_param(ctx, entry.key, entry.key_span, params)
            continue
        what = f"param `{entry.key}`"
        before = ctx.report.count
        expr = expect(ctx, entry.value, param.type, what)
        value = settled(ctx, entry.value, expr, what)
        given[entry.key] = literal(value) if ctx.report.count == before else expr
    return given


def _no_param(ctx: Context, name: str, span: Span, params: dict[str, Param]) -> None:
    if ctx.report.may_be_unread(name):
        return
    near = nearest(name, params)
    fix = Fix(f"its params are {listed(params)}") if params else None
    if near:
        fix = Fix(f"did you mean `{near}`?", span, near)
    ctx.report.add("T404", f"the pipeline has no param `{name}`", span, "not a param", fix)
