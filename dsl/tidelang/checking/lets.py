"""Lets: values with a name, in whatever order they stand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tidelang.checking.constants import EvaluationError, Unknown
from tidelang.checking.context import LET, UNKNOWN, Context
from tidelang.diagnostics import Fix, Related
from tidelang.graph import Walk
from tidelang.scope import Symbol
from tidelang.syntax import Expression, Let, Name
from tidelang.types import ANY


def check_lets(ctx: Context, lets: Iterable[Let]) -> list[str]:
    """Declares and checks lets; gives their names in an order in which they can be
    worked out."""
    own: dict[str, Let] = {}
    for let in lets:
        symbol = Symbol(let.name.id, "let", let.name.span, ("ref", "let", let.name.id))
        if ctx.scope.declare(symbol):
            own[let.name.id] = let
    walk = Walk({name: _names(let.value, own) for name, let in own.items()})
    for cycle in walk.cycles:
        _circle(ctx, cycle, own)
    for name in walk.order:
        _check(ctx, own[name])
    return walk.order


def _names(value: Expression, own: dict[str, Let]) -> list[str]:
    """The names of other lets in an expression."""
    found: dict[str, None] = {}
    left: list[Any] = [value]
    while left:
        node = left.pop()
        if isinstance(node, Name):
            if node.id in own:
                found[node.id] = None
        elif isinstance(node, tuple):
            left.extend(node)
        elif hasattr(node, "__slots__"):
            left.extend(getattr(node, slot) for slot in node.__slots__ if slot not in _NO_NODES)
    return list(found)


_NO_NODES = frozenset({"span", "name_span", "key_span", "operator_span", "source"})


def _circle(ctx: Context, cycle: tuple[str, ...], own: dict[str, Let]) -> None:
    related = tuple(
        Related(own[name].name.span, f"which uses `{after}`")
        for name, after in pairwise(cycle[1:10])
    )
    message = f"these lets use each other: {drawn(cycle)}"
    fix = Fix("give one of them a value of its own")
    span = own[cycle[0]].name.span
    ctx.report.add("T110", message, span, f"uses `{cycle[1]}`", fix, related)
    for name in cycle:
        _break(ctx, name)


def drawn(cycle: tuple[str, ...], most: int = 12) -> str:
    """`a -> b -> a`, shortened in the middle."""
    if len(cycle) > most:
        cycle = (*cycle[: most - 2], f"… ({len(cycle) - most} more)", *cycle[-2:])
    return " -> ".join(cycle)


def _break(ctx: Context, name: str) -> None:
    ctx.constants.mark_broken(name)
    symbol = ctx.scope.find(name)
    if symbol is not None:
        symbol.broken, symbol.type = True, ANY


def _check(ctx: Context, let: Let) -> None:
    symbol = ctx.scope.find(let.name.id)
    if symbol is None or symbol.broken:
        return
    ctx.place, ctx.lets, before = LET, {}, ctx.report.count
    symbol.type, expr = ctx.check_open(let.value)
    symbol.lets = tuple(ctx.lets)
    ctx.values[let.name.id] = expr
    if ctx.report.count != before or expr is UNKNOWN[1]:
        _break(ctx, let.name.id)
        return
    try:
        value = ctx.constants.value(expr)
    except EvaluationError as error:
        message = f"`{let.name.id}` has no value: {error.message}"
        ctx.report.add("T217", message, let.value.span, "worked out here")
        _break(ctx, let.name.id)
        return
    if not isinstance(value, Unknown):
        ctx.constants.values[let.name.id] = value
    elif value.broken:
        _break(ctx, let.name.id)
