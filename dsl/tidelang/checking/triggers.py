"""Triggers: what else starts a run than a person or the clock, and with which params.

What a trigger works out when its event comes may use that event alone. So lets whose
values are known stand in the definition as their values, and no others may be used."""

from __future__ import annotations

import re
from typing import Any

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting, sorted_body, value
from tidelang.checking.constants import BROKEN, Unknown, children, literal
from tidelang.checking.context import SETTLED, TRIGGER, UNKNOWN, Context
from tidelang.checking.expect import settled
from tidelang.checking.given import params_of
from tidelang.definition import Expr, Param, Trigger
from tidelang.diagnostics import Fix
from tidelang.evaluate import EvaluationError
from tidelang.schema import Schema
from tidelang.suggest import listed, nearest
from tidelang.syntax import Block, Expression, Name, Pipeline, String
from tidelang.values import Duration

_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DEDUPE = 3_600_000
"""Milliseconds for which a key is remembered where nothing else is said."""

_WRITTEN = {
    "pipeline": "trigger pipeline nightly",
    "event": 'trigger event "git.push"',
    "webhook": "trigger webhook deploy",
}


def check_trigger(
    ctx: Context, block: Block, pipeline: Pipeline, params: dict[str, Param]
) -> Trigger | None:
    """One `trigger` block; None where it makes no sense."""
    ctx.place = SETTLED
    kind = _kind(ctx, block)
    source = _source(ctx, block, kind) if kind else None
    if kind is None:
        return None
    if kind == "pipeline" and source == pipeline.name.id:
        fix = Fix("a run would start the next one for ever: name another pipeline")
        message = f"pipeline `{source}` triggers itself"
        ctx.report.add("T408", message, block.labels[1].span, "this pipeline", fix)
    known = blocks.TRIGGERS[kind]
    parts = sorted_body(ctx.report, block.body, known)
    _signed(ctx, block, parts, known)
    on = _on(ctx, parts, known) if kind == "pipeline" else ()
    secret = value(ctx, parts, known, "secret") if "secret" in parts.attributes else None
    ctx.place = TRIGGER
    when = _when(ctx, parts, known)
    given = params_of(ctx, block, parts, params, _of_event)
    key = _key(ctx, parts, known)
    ctx.place = SETTLED
    dedupe, debounce = _times(ctx, parts, known, keyed="key" in parts.attributes)
    if not source:
        return None
    return Trigger(kind, source, on, when, given, secret, key, dedupe, debounce)


# --- what stands before the braces ---------------------------------------------------------


def _kind(ctx: Context, block: Block) -> str | None:
    first = block.labels[0] if block.labels else None
    if isinstance(first, Name) and first.id in blocks.TRIGGERS:
        return first.id
    if ctx.report.unread_in(block.span):
        return None
    if isinstance(first, Name):
        near = nearest(first.id, blocks.TRIGGERS)
        fix = Fix(f"write one of {listed(_WRITTEN.values(), last='or')}")
        if near:
            fix = Fix(f"did you mean `{near}`?", first.span, near)
        message = f"there is no trigger `{first.id}`"
        ctx.report.add("T406", message, first.span, "not a kind of trigger", fix)
        return None
    fix = Fix(f"write one of {listed(_WRITTEN.values(), last='or')}")
    span = first.span if first else block.kind_span
    message = f"`trigger` takes a kind, {listed(blocks.TRIGGERS, last='or')}, and a name"
    ctx.report.add("T113", message, span, "", fix)
    return None


def _source(ctx: Context, block: Block, kind: str) -> str | None:
    label = block.labels[1] if len(block.labels) == 2 else None
    if kind != "event" and isinstance(label, Name):
        return label.id
    if kind == "event" and isinstance(label, String) and label.plain is not None:
        return _subject(ctx, label, label.plain)
    if ctx.report.unread_in(block.span):
        return None
    fix = Fix(f"write `{_WRITTEN[kind]}`")
    if isinstance(label, String) and label.plain and label.plain.isidentifier():
        fix = Fix("take the quotes away", label.span, label.plain)
    elif kind == "event" and isinstance(label, Name):
        fix = Fix("put quotes around it", label.span, f'"{label.id}"')
    what = "one subject in quotes" if kind == "event" else "one name"
    span = block.labels[min(len(block.labels), 3) - 1].span
    ctx.report.add("T113", f"`trigger {kind}` takes {what}", span, "", fix)
    return None


def _subject(ctx: Context, label: String, subject: str) -> str | None:
    if _SUBJECT.fullmatch(subject):
        return subject
    better = ".".join(filter(None, re.split(r"[^A-Za-z0-9_-]+", subject)))
    fix = Fix("write it so", label.span, f'"{better}"') if better else Fix('as in "git.push"')
    if "*" in subject or ">" in subject:
        fix = Fix("name each subject in a trigger of its own, or ask in `when`")
    message = "an event's subject is words of letters, digits, `_` and `-`, with dots between"
    ctx.report.add("T407", message, label.span, "no subject", fix)
    return None


# --- what stands in them --------------------------------------------------------------------


def _signed(ctx: Context, block: Block, parts: Parts, known: Schema) -> None:
    field = known.fields.get("secret")
    if field is not None and "secret" not in parts.attributes and not parts.unread:
        message = "a webhook needs `secret`: without one, anybody could start runs"
        fix = Fix('add `secret = secret("NAME")`, with which its requests are signed')
        ctx.report.add("T211", message, block.kind_span, "not given", fix)


def _on(ctx: Context, parts: Parts, known: Schema) -> tuple[str, ...]:
    found = setting(ctx, parts, known, "on")
    if not isinstance(found, list):
        return ("succeeded",)
    if not found:
        _never(ctx, parts, "on", "`on` is empty")
    members = known.fields["on"].type.of
    return tuple(word for word in (members.members if members else ()) if word in found)


def _when(ctx: Context, parts: Parts, known: Schema) -> Expr | None:
    if "when" not in parts.attributes:
        return None
    node = parts.attributes["when"].value
    expr = _of_event(ctx, node, value(ctx, parts, known, "when"), "`when`")
    if expr == ("lit", False):
        _never(ctx, parts, "when", "`when` is always false")
    return expr


def _key(ctx: Context, parts: Parts, known: Schema) -> Expr | None:
    if "key" not in parts.attributes:
        return None
    node = parts.attributes["key"].value
    return _of_event(ctx, node, value(ctx, parts, known, "key"), "`key`")


def _times(ctx: Context, parts: Parts, known: Schema, *, keyed: bool) -> tuple[int, int]:
    """`dedupe` and `debounce`. What waits for the last event of a key starts each run once, and
    so forgets the key then, unless it is to remember it."""
    debounce, dedupe = (
        int(found) if isinstance(found, Duration) else 0
        for found in (setting(ctx, parts, known, name) for name in ("debounce", "dedupe"))
    )
    if "dedupe" in parts.attributes and not keyed and not parts.unread:
        message = "`dedupe` needs a `key`: what makes two events the same?"
        fix = Fix("add `key`, as in `key = event.id`")
        ctx.report.add("T409", message, parts.attributes["dedupe"].name_span, "no `key`", fix)
    if keyed and not dedupe and not debounce:
        dedupe = _DEDUPE
    return dedupe, debounce


def _never(ctx: Context, parts: Parts, name: str, why: str) -> None:
    message = f"this trigger starts no run: {why}"
    span = parts.attributes[name].value.span
    ctx.report.add("W402", message, span, "never", Fix("take the trigger out"))


def _of_event(ctx: Context, node: Expression, expr: Expr, what: str) -> Expr:
    """An expression with the values of lets in it, so that it uses the event alone."""
    try:
        known = ctx.constants.value(expr)
    except EvaluationError:
        settled(ctx, node, expr, what)  # which tells of it
        return UNKNOWN[1]
    if not isinstance(known, Unknown):
        return literal(known)
    if known.broken:
        return UNKNOWN[1]
    if (unknown := _unknown(ctx, expr)) is not None:
        message = f"{what} can use the event, and `{unknown}` is known only in the run"
        fix = Fix("use `event`, literals and lets that use no params")
        ctx.report.add("T210", message, node.span, "before there is a run", fix)
        return UNKNOWN[1]
    filled: Expr = _filled(ctx, expr)
    return filled


def _unknown(ctx: Context, expr: Expr) -> str | None:
    """A let or a param in an expression that has no value before there is a run."""
    left = [expr]
    while left:
        part = left.pop()
        if part[0] == "ref" and not _known(ctx, part[1], part[2]):
            return str(part[2])
        left.extend(children(part))
    return None


def _known(ctx: Context, space: str, name: str) -> bool:
    return space in ("event", "loop") or (space == "let" and name in ctx.constants.values)


def _filled(ctx: Context, part: Any) -> Any:
    """An expression with lets replaced. Its depth is bounded by the parser's limits."""
    if not isinstance(part, tuple) or part is BROKEN:
        return part
    if len(part) == 3 and part[:2] == ("ref", "let"):
        return literal(ctx.constants.values[part[2]])
    if part and part[0] == "lit":
        return part
    return tuple(_filled(ctx, each) for each in part)
