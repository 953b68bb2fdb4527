"""Strings as values: plain ones, and templates whose holes become text. With a secret in
a hole the whole text is one."""

from __future__ import annotations

from tidelang.checking.context import CHECKS, UNKNOWN, Context, Typed
from tidelang.checking.words import noun
from tidelang.definition import Type
from tidelang.diagnostics import Fix
from tidelang.syntax import Hole, String, Text
from tidelang.types import SECRET, STRING, scalar


def _string(ctx: Context, node: String) -> Typed:
    parts = node.parts
    if not parts:
        return STRING, ("lit", "")
    if len(parts) == 1 and isinstance(parts[0], Text):
        return STRING, ("lit", parts[0].value)
    if not any(isinstance(part, Hole) for part in parts):
        return STRING, ("lit", node.plain)
    found = [_part(ctx, part) for part in parts]
    secret = any(type.name == "secret" for type, _ in found)  # noqa: A001
    return SECRET if secret else STRING, ("text", tuple(expr for _, expr in found))


def _part(ctx: Context, part: Text | Hole) -> Typed:
    if isinstance(part, Text):
        return STRING, ("lit", part.value)
    type, expr = ctx.check_open(part.expression)  # noqa: A001
    if scalar(type) or type.name == "secret":
        return type, expr
    no_text(ctx, part, type)
    return UNKNOWN


def no_text(ctx: Context, hole: Hole, type: Type) -> None:  # noqa: A002
    """A value that is not one text stands in a hole."""
    inside = hole.expression.span
    fix = None
    if type.name == "list":
        fix = Fix("join its items", inside, f'{inside.text} | join(" ")')
    elif type.name == "map":
        fix = Fix("write it as JSON", inside, f"{inside.text} | json")
    ctx.report.add("T604", f"{noun(type)} cannot stand in a text", inside, noun(type), fix)


CHECKS |= {String: _string}
