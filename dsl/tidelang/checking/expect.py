"""An expression where a certain type is wanted."""

from __future__ import annotations

from collections.abc import Iterable

from tidelang.checking.constants import EvaluationError, Unknown
from tidelang.checking.context import UNKNOWN, Context
from tidelang.checking.documents import document
from tidelang.checking.fixes import conversion
from tidelang.checking.forms import condition_of, object_entries
from tidelang.checking.secrets import no_secret, valued
from tidelang.checking.words import noun
from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix
from tidelang.suggest import listed, nearest
from tidelang.syntax import (
    Conditional,
    Entry,
    Expression,
    ListExpression,
    Name,
    ObjectExpression,
)
from tidelang.types import ANY, STRING, Struct, fits, inner, show
from tidelang.values import Duration, Size, Value, shown


def expect(ctx: Context, node: Expression, wanted: Type, what: str, *, bare: bool = False) -> Expr:
    """The meaning of an expression that must fit a type.

    `what` is the thing it is for, in messages: "`timeout`". With `bare`, a word without
    quotes may be a member of an enum (`overlap = skip`)."""
    if wanted.name == "enum" and bare and isinstance(node, Name):
        if (word := _word(ctx, node, wanted, what)) is not None:
            return word
    elif wanted.name == "list" and isinstance(node, ListExpression):
        items = (expect(ctx, i, inner(wanted), f"an item of {what}", bare=bare) for i in node.items)
        return ("list", tuple(items))
    elif isinstance(wanted, Struct) and isinstance(node, ObjectExpression):
        return _struct(ctx, node, wanted, what, bare=bare)
    elif wanted.name == "map" and isinstance(node, ObjectExpression):
        return _members(ctx, node, wanted, what, bare=bare)
    elif isinstance(node, Conditional):
        then = expect(ctx, node.then, wanted, what, bare=bare)
        otherwise = expect(ctx, node.otherwise, wanted, what, bare=bare)
        return ("if", condition_of(ctx, node.condition), then, otherwise)
    if wanted.name == "secret":
        return _secret(ctx, node, what)
    if wanted.name == "template":
        return document(ctx, node, what)
    type, expr = _checked(ctx, node, wanted, what)  # noqa: A001
    if wanted.name == "text" and type.name == "secret":
        return expr
    return expr if fitted(ctx, node, (type, expr), wanted, what) else UNKNOWN[1]


def _checked(ctx: Context, node: Expression, wanted: Type, what: str) -> tuple[Type, Expr]:
    return ctx.check_open(node) if wanted.name == "text" else ctx.check(node, valued(what))


def _secret(ctx: Context, node: Expression, what: str) -> Expr:
    type, expr = ctx.check_open(node)  # noqa: A001
    if type.name == "secret" or expr is UNKNOWN[1] or _broken(ctx, expr):
        return expr
    no_secret(ctx.report, node, what, noun(type))
    return UNKNOWN[1]


def _broken(ctx: Context, expr: Expr) -> bool:
    try:
        value = ctx.constants.value(expr)
    except EvaluationError:
        return False
    return isinstance(value, Unknown) and value.broken


def _members(ctx: Context, node: ObjectExpression, wanted: Type, what: str, *, bare: bool) -> Expr:
    members = {}
    for entry in object_entries(ctx, node):
        each = f"`{entry.key}` of {what}"
        members[entry.key] = expect(ctx, entry.value, inner(wanted), each, bare=bare)
    return ("obj", tuple((key, members[key]) for key in sorted(members)))


def _struct(ctx: Context, node: ObjectExpression, wanted: Struct, what: str, *, bare: bool) -> Expr:
    types, members = dict(wanted.fields), {}
    for entry in object_entries(ctx, node):
        if entry.key not in types and not wanted.open:
            _no_key(ctx, entry, types, what)
        each = f"`{entry.key}` of {what}"
        type = types.get(entry.key, ANY)  # noqa: A001
        members[entry.key] = expect(ctx, entry.value, type, each, bare=bare)
    return ("obj", tuple((key, members[key]) for key in sorted(members)))


def _no_key(ctx: Context, entry: Entry, known: Iterable[str], what: str) -> None:
    near = nearest(entry.key, known)
    fix = Fix(f"it takes {listed(known)}")
    if near:
        fix = Fix(f"did you mean `{near}`?", entry.key_span, near)
    ctx.report.add("T108", f"{what} has no `{entry.key}`", entry.key_span, "not known", fix)


def _word(ctx: Context, node: Name, wanted: Type, what: str) -> Expr | None:
    """A bare word; None where it is the name of something declared."""
    if node.id in wanted.members:
        return ("lit", node.id)
    if ctx.scope.find(node.id) is not None:
        return None
    _not_member(ctx, node, node.id, wanted, what, quote="")
    return UNKNOWN[1]


def _not_member(
    ctx: Context, node: Expression, word: str, wanted: Type, what: str, quote: str = '"'
) -> None:
    near = nearest(word, wanted.members)
    listing = show(wanted) if quote else listed(wanted.members, len(wanted.members), "or")
    written = shown(word) if quote else f"`{word}`"
    message = f"{what} cannot be {written}: it is one of {listing}"
    fix = Fix("choose one of these")
    if near:
        fix = Fix(f"did you mean `{near}`?", node.span, f"{quote}{near}{quote}")
    ctx.report.add("T205", message, node.span, "not one of them", fix)


def fitted(
    ctx: Context, node: Expression, found: tuple[Type, Expr], wanted: Type, what: str
) -> bool:
    """Whether what was found fits what is wanted; says so where it does not."""
    actual, expr = found
    if expr is UNKNOWN[1]:
        return True
    if not fits(actual, _loose(wanted)):
        message = f"{what} must be {noun(wanted)}, not {noun(actual)}"
        ctx.report.add("T201", message, node.span, noun(actual), conversion(node, actual, wanted))
        return False
    return not _strict(wanted) or _value_fits(ctx, node, found, wanted, what)


def _loose(wanted: Type) -> Type:
    """What of a type can be told from types alone: an enum is a string there."""
    if wanted.name == "enum":
        return STRING
    return Type(wanted.name, of=_loose(wanted.of)) if wanted.of else wanted


def _strict(wanted: Type) -> bool:
    if wanted.of is not None:
        return _strict(wanted.of)
    return wanted.name == "enum" or wanted.low is not None or wanted.high is not None


def _value_fits(
    ctx: Context, node: Expression, found: tuple[Type, Expr], wanted: Type, what: str
) -> bool:
    actual, expr = found
    try:
        value = ctx.constants.value(expr)
    except EvaluationError as error:
        ctx.report.add("T217", f"{what} has no value: {error.message}", node.span)
        return False
    if not isinstance(value, Unknown):
        return within(ctx, node, value, wanted, what)
    if value.broken or fits(actual, wanted) or actual.name == "any":
        return True
    message = f"{what} must be {noun(wanted)}, and this may be any other string"
    declared = wanted.members and ctx.scope.find(value.culprit)
    fix = Fix(f"give `{value.culprit}` the type {show(wanted)}") if declared else None
    ctx.report.add("T201", message, node.span, noun(actual), fix)
    return False


def within(ctx: Context, node: Expression, value: Value, wanted: Type, what: str) -> bool:
    """Whether a known value is a member of an enum or lies within bounds."""
    if isinstance(value, list) and wanted.of is not None:
        return all(within(ctx, node, v, wanted.of, f"an item of {what}") for v in value)
    if isinstance(value, dict) and wanted.of is not None:
        return all(within(ctx, node, v, wanted.of, f"`{k}` of {what}") for k, v in value.items())
    if wanted.name == "enum" and isinstance(value, str) and value not in wanted.members:
        _not_member(ctx, node, value, wanted, what)
        return False
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return _in_bounds(ctx, node, value, wanted, what)


def _in_bounds(ctx: Context, node: Expression, value: float, wanted: Type, what: str) -> bool:
    low, high = wanted.low, wanted.high
    if (low is None or value >= low) and (high is None or value <= high):
        return True
    unit = type(value) if isinstance(value, Duration | Size) else None
    least = None if low is None else unit(int(low)) if unit else low
    most = None if high is None else unit(int(high)) if unit else high
    bounds = f"from {least} to {most}" if high is not None else f"at least {least}"
    if low is None:
        bounds = f"at most {most}"
    near = least if low is not None and value < low else most
    fix = Fix(f"the nearest that is allowed is {near}", node.span, str(near))
    ctx.report.add("T206", f"{what} must be {bounds}, not {value}", node.span, "out of range", fix)
    return False


def settled(ctx: Context, node: Expression, expr: Expr, what: str) -> Value | None:
    """The value of a setting that must be known before the run; None after a report."""
    if expr is UNKNOWN[1]:
        return None
    try:
        value = ctx.constants.value(expr)
    except EvaluationError as error:
        ctx.report.add("T217", f"{what} has no value: {error.message}", node.span)
        return None
    if not isinstance(value, Unknown):
        return value
    if not value.broken:
        message = f"{what} must be known before the run, and `{value.culprit}` is not"
        fix = Fix("use a literal, or a `let` that uses no params")
        ctx.report.add("T210", message, node.span, "known only in a run", fix)
    return None
