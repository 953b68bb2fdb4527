"""Which other steps a step looks at, and not merely waits for."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from tidelang.definition import Expr, Step

_PLAIN_WORDS = frozenset(
    (
        *("name", "description", "needs", "labels", "regions"),  # of a step
        *("by", "interpreter", "names", "on", "parts", "type"),  # of what it holds
    )
)
"""Fields that hold no expressions, but words that could look like one."""


def used_steps(step: Step) -> frozenset[str]:
    """The steps whose outputs or whose end the step's settings speak of. Goes through
    whatever holds expressions, with a stack of its own."""
    found: set[str] = set()
    left: list[Any] = [step]
    while left:
        at = left.pop()
        if is_dataclass(at):
            left += (getattr(at, f.name) for f in fields(at) if f.name not in _PLAIN_WORDS)
        elif isinstance(at, tuple):
            if name := _mention(at):
                found.add(name)
            else:
                left += at
    return frozenset(found)


def _mention(expr: Expr) -> str | None:
    match expr:
        case ("ref", "step", str(name)) | ("state", _, str(name)):
            return name
    return None
