"""What a step runs: a script whose holes become references, or a program's arguments.

How a reference is quoted for its place belongs to `tidelang.shell`."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.checking.context import UNKNOWN, Context
from tidelang.checking.secrets import ARGUMENT, FILTERED
from tidelang.checking.texts import no_text
from tidelang.checking.words import noun
from tidelang.definition import Argv, Expr, Script, Type, Variable
from tidelang.diagnostics import Fix
from tidelang.shell import Filter, Insert, Interpreter, Refusal, Shape, interpreter, weave
from tidelang.syntax import Call, Expression, Hole, ListExpression, Name, String, Text
from tidelang.types import NUMBERS, inner, scalar


def action(ctx: Context, node: Expression) -> Script | Argv | None:
    """The value of `run`; None where it makes no sense, which has been said then."""
    if isinstance(node, String):
        return _script(ctx, node)
    if isinstance(node, ListExpression):
        return _argv(ctx, node)
    type, expr = ctx.check(node)  # noqa: A001
    if type.name == "list" and _arguments(inner(type)):
        return Argv((expr,))
    if type.name != "any" or expr is not UNKNOWN[1]:
        _no_action(ctx, node, type)
    return None


def _no_action(ctx: Context, node: Expression, type: Type) -> None:  # noqa: A002
    if type.name in ("string", "any"):
        message = "a script must stand here as a string: a value is never code"
        fix = Fix("paste it as code", node.span, f'"{{{{ {node.span.text} | raw }}}}"')
    else:
        message = f"`run` is a script or a list of arguments, not {noun(type)}"
        fix = Fix('write a script, `"make test"`, or arguments, `["make", "test"]`')
    ctx.report.add("T603", message, node.span, noun(type), fix)


# --- arguments -----------------------------------------------------------------------


def _argv(ctx: Context, node: ListExpression) -> Argv | None:
    if not node.items:
        fix = Fix('write the program first: `["make", "test"]`')
        ctx.report.add("T309", "`run` has no program to run", node.span, "empty", fix)
        return None
    return Argv(tuple(_argument(ctx, item) for item in node.items))


def _argument(ctx: Context, item: Expression) -> Expr:
    type, expr = ctx.check(item, ARGUMENT)  # noqa: A001
    if scalar(type) or (type.name == "list" and _arguments(inner(type))):
        return expr
    message = f"{noun(type)} cannot be an argument of a program"
    fix = Fix("write it as JSON", item.span, f"json({item.span.text})")
    ctx.report.add("T604", message, item.span, noun(type), fix)
    return UNKNOWN[1]


def _arguments(type: Type) -> bool:  # noqa: A002
    return scalar(type)


# --- scripts ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A hole with what was made out about it."""

    hole: Hole
    insert: Insert
    expr: Expr


def _script(ctx: Context, node: String) -> Script | None:
    if node.plain is not None and not node.plain.strip():
        fix = Fix('to do nothing, write `"true"`')
        ctx.report.add("T309", "the script is empty", node.span, "nothing to run", fix)
        return None
    before = ctx.report.count
    first = node.parts[0]
    runner = interpreter(first.value if isinstance(first, Text) else "")
    if runner.error:
        ctx.report.add("T606", runner.error, first.span, "", Fix("write `#!/bin/sh`"))
    places: list[_Place] = []
    parts: list[str | Insert] = []
    for part in node.parts:
        if isinstance(part, Text):
            parts.append(part.value)
        else:
            place = _place(ctx, part, len(places))
            places.append(place)
            parts.append(place.insert)
    script = _woven(ctx, parts, places, runner)
    return script if ctx.report.count == before else None


def _place(ctx: Context, hole: Hole, index: int) -> _Place:
    inside, filter = _filtered(hole.expression)  # noqa: A001
    type, expr = ctx.check(inside, FILTERED) if filter else ctx.check_open(inside)  # noqa: A001
    items = type.name == "list" and scalar(inner(type))
    if not (scalar(type) or type.name == "secret" or items):
        no_text(ctx, hole, type)
        return _Place(hole, Insert(index, "unknown", filter), UNKNOWN[1])
    shape: Shape = "list" if items else "number" if type.name in NUMBERS else "scalar"
    insert = Insert(index, "unknown" if type.name == "any" else shape, filter)
    return _Place(hole, insert, expr)


_FILTERS: dict[str, Filter] = {"sh": "sh", "raw": "raw"}


def _filtered(node: Expression) -> tuple[Expression, Filter]:
    """`x | sh` and `x | raw`, taken apart."""
    if isinstance(node, Call) and isinstance(node.function, Name) and len(node.arguments) == 1:
        name = node.function.id
        if name in _FILTERS:
            return node.arguments[0].value, _FILTERS[name]
    return node, ""


def _woven(
    ctx: Context, parts: list[str | Insert], places: list[_Place], runner: Interpreter
) -> Script | None:
    if not places:
        text = "".join(part for part in parts if isinstance(part, str))
        return Script((text,), (), runner.argv, runner.in_file)
    woven = weave(parts, runner.shell)
    if isinstance(woven, tuple):
        for refusal in woven:
            _refused(ctx, refusal, places)
        return None
    variables = tuple(
        Variable(place.insert.name, woven.kinds[at], place.expr) for at, place in enumerate(places)
    )
    return Script(woven.parts, variables, runner.argv, runner.in_file)


def _refused(ctx: Context, refusal: Refusal, places: list[_Place]) -> None:
    hole = places[refusal.index].hole
    ctx.report.add("T601", refusal.message, hole.span, "in this place", Fix(refusal.help))
