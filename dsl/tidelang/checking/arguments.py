"""Arguments of a task or a pipeline: by place or by name, each of its param's type."""

from __future__ import annotations

from collections.abc import Mapping

from tidelang.checking.context import Context
from tidelang.checking.expect import expect
from tidelang.definition import Expr, Param
from tidelang.diagnostics import Fix
from tidelang.suggest import listed, nearest
from tidelang.syntax import Argument, Call


def bound(
    ctx: Context, node: Call, params: Mapping[str, Param], what: str
) -> dict[str, Argument] | None:
    """The argument for each param that has one; None where they do not match, which has
    been said. `what` is whose they are: "task `pytest`"."""
    before = ctx.report.count
    names = list(params)
    found: dict[str, Argument] = {}
    for at, argument in enumerate(node.arguments):
        name = argument.name
        if name is None and at < len(names):
            name = names[at]
        if name is None:
            _mismatch(ctx, argument, f"{what} takes {_counted(len(names))}", _takes(params))
        elif name not in params:
            _unknown(ctx, argument, params, what)
        elif name in found:
            _mismatch(ctx, argument, f"`{name}` is given twice to {what}", None)
        else:
            found[name] = argument
    _missing(ctx, node, params, found, what)
    if ctx.report.count == before:
        return found
    for argument in node.arguments:
        ctx.check_open(argument.value)
    return None


def _missing(
    ctx: Context, node: Call, params: Mapping[str, Param], found: Mapping[str, Argument], what: str
) -> None:
    missing = [p.name for p in params.values() if p.default is None and p.name not in found]
    unknown = any(a.name is not None and a.name not in params for a in node.arguments)
    if missing and not unknown:
        fix = Fix(f"write `{missing[0]} = …` between its brackets")
        message = f"{what} needs {listed(missing)}"
        ctx.report.add("T203", message, node.span, "not given", fix)


def _unknown(ctx: Context, argument: Argument, params: Mapping[str, Param], what: str) -> None:
    name = str(argument.name)
    near, span = nearest(name, params), argument.span
    fix = Fix(f"did you mean `{near}`?", span, _renamed(argument, near)) if near else None
    _mismatch(ctx, argument, f"{what} has no param `{name}`", fix or _takes(params))


def _renamed(argument: Argument, name: str) -> str:
    return f"{name} = {argument.value.span.text}"


def _mismatch(ctx: Context, argument: Argument, message: str, fix: Fix | None) -> None:
    ctx.report.add("T203", message, argument.span, "", fix)


def _counted(count: int) -> str:
    return {0: "no arguments", 1: "one argument"}.get(count, f"{count} arguments")


def _takes(params: Mapping[str, Param]) -> Fix | None:
    return Fix(f"its params are {listed(params)}") if params else None


def given(ctx: Context, argument: Argument | None, param: Param, what: str) -> Expr:
    """The meaning of an argument, or of the default."""
    if argument is None:
        return param.default or ("lit", None)
    return expect(ctx, argument.value, param.type, f"`{param.name}` of {what}")
