"""`params = { … }` of what starts runs by itself: a schedule, a trigger."""

from __future__ import annotations

from collections.abc import Callable

from tidelang.checking.bodies import Parts
from tidelang.checking.context import Context
from tidelang.checking.expect import expect
from tidelang.checking.forms import object_entries
from tidelang.checking.words import noun
from tidelang.definition import Expr, Param
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.suggest import listed, nearest
from tidelang.syntax import Attribute, Block, Expression, ObjectExpression

Meaning = Callable[[Context, Expression, Expr, str], Expr]
"""What becomes of a value that fits its param."""


def params_of(
    ctx: Context, block: Block, parts: Parts, params: dict[str, Param], meaning: Meaning
) -> tuple[tuple[str, Expr], ...]:
    """The values that a block gives for a pipeline's params, by name."""
    attribute = parts.attributes.get("params")
    given: dict[str, Expr] = {}
    if attribute is not None:
        if not isinstance(attribute.value, ObjectExpression):
            _no_object(ctx, attribute)
            return ()
        given = _given(ctx, attribute.value, params, meaning)
    missing = [p.name for p in params.values() if p.default is None and p.name not in given]
    if missing and not parts.unread:
        message = f"this {block.kind} gives no value for {listed(missing)}"
        fix = Fix(f"add `params = {{ {missing[0]} = … }}`, or give the param a default")
        ctx.report.add("T405", message, block.kind_span, "a run could not start", fix)
    return tuple(sorted(given.items()))


def _no_object(ctx: Context, attribute: Attribute) -> None:
    found = noun(ctx.check(attribute.value)[0])
    fix = Fix("write `params = { name = value }`")
    message = f"`params` must be written out, not {found}"
    ctx.report.add("T201", message, attribute.value.span, found, fix)


def _given(
    ctx: Context, node: ObjectExpression, params: dict[str, Param], meaning: Meaning
) -> dict[str, Expr]:
    given: dict[str, Expr] = {}
    for entry in object_entries(ctx, node):
        param = params.get(entry.key)
        if param is None:
            _no_param(ctx, entry.key, entry.key_span, params)
            continue
        what = f"param `{entry.key}`"
        expr = expect(ctx, entry.value, param.type, what)
        given[entry.key] = meaning(ctx, entry.value, expr, what)
    return given


def _no_param(ctx: Context, name: str, span: Span, params: dict[str, Param]) -> None:
    if ctx.report.may_be_unread(name):
        return
    near = nearest(name, params)
    fix = Fix(f"its params are {listed(params)}") if params else None
    if near:
        fix = Fix(f"did you mean `{near}`?", span, near)
    ctx.report.add("T404", f"the pipeline has no param `{name}`", span, "not a param", fix)
