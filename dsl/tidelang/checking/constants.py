"""Values that are known before any run: of literals, and of lets that use no params."""

from __future__ import annotations

from collections import ChainMap

from tidelang.definition import Expr
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.reify import literal
from tidelang.values import Duration, Size, Value

BROKEN: Expr = ("lit", None)
"""What stands for an expression that makes no sense; the report says why. Known by its
identity: it is not the `null` of a file."""


class Unknown:
    """Why an expression has no value yet: it depends on `culprit`, or was `broken`
    before (and has been spoken of)."""

    __slots__ = ("broken", "culprit")

    def __init__(self, culprit: str, *, broken: bool = False) -> None:
        self.culprit = culprit
        self.broken = broken


class Constants:
    """The lets whose values are known, and those that are broken."""

    def __init__(self, parent: Constants | None = None) -> None:
        self.values: ChainMap[str, Value] = parent.values.new_child() if parent else ChainMap()
        self._broken: set[str] = parent._broken if parent else set()  # noqa: SLF001  its own kind

    def mark_broken(self, name: str) -> None:
        self._broken.add(name)

    def value(self, expr: Expr) -> Value | Unknown:
        """The value, or why it is not known.

        Raises:
            EvaluationError: it has none, and never will.
        """
        kind = expr[0]
        if expr is BROKEN:
            return Unknown("", broken=True)
        if kind == "lit":
            literal: Value = expr[1]
            return literal
        if kind == "dur":
            return Duration(expr[1])
        if kind == "size":
            return Size(expr[1])
        return self._missing(expr) or evaluate(expr, Scope({"let": self.values}))

    def _missing(self, expr: Expr) -> Unknown | None:
        own: set[str] = set()
        left: list[Expr] = [expr]
        found: Unknown | None = None
        while left:
            part = left.pop()
            if part is BROKEN:
                return Unknown("", broken=True)
            if part[0] == "each":
                own.update(part[2])
            elif part[0] == "state":
                found = found or Unknown(f"{part[1]}({part[2]})")
            elif part[0] == "ref" and (missing := self._reference(part, own)):
                if missing.broken:
                    return missing
                found = found or missing
            left.extend(reversed(children(part)))
        return found

    def _reference(self, ref: Expr, own: set[str]) -> Unknown | None:
        _, space, name = ref
        if space == "let":
            return None if name in self.values else Unknown(name, broken=name in self._broken)
        if space == "loop" and name in own:
            return None
        if space == "argument":  # a task by itself: each call will tell
            return Unknown(name, broken=True)
        return Unknown(f"{space}.{name}" if space in ("run", "event") else name)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions right within an expression."""
    match expr:
        case ("get" | "not" | "neg", inner, *_):
            return (inner,)
        case ("at", *inner) | ("op", _, *inner) | ("if", *inner):
            return tuple(inner)
        case ("list" | "text", inner):
            return tuple(inner)
        case ("obj", members):
            return tuple(value for _, value in members)
        case ("each", element, _, iterable, condition):
            return (iterable, element) if condition is None else (iterable, element, condition)
        case ("call", _, given, named) | ("foreign", _, _, given, named):
            return (*given, *(value for _, value in named))
    return ()


__all__ = ["BROKEN", "Constants", "EvaluationError", "Unknown", "literal"]
