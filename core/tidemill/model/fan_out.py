"""Fan-outs: the instances that a list gives, and what they are called.

A list that uses the run or what steps put out is known late: until then one task, the
stand-in (`unit[…]`), holds the place of those that will be.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tidelang import definition, values
from tidemill.errors import UsageError
from tidemill.spi import INPUTS

_KEY_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Instance:
    """A task as planned: `loop` holds the values of its loop variables."""

    ordinal: int
    key: str
    loop: Mapping[str, values.Value]


def is_late(loop: definition.Loop | None) -> bool:
    """Whether the list is known only when the run is there, or steps have ended."""
    return loop is not None and any(space in {"run", "step"} for space, _ in _refs(loop.items))


def uses_loop(expr: definition.Expr | None, loop: definition.Loop) -> bool:
    """Whether an expression has another value for each instance, or may have."""
    own = {("loop", name) for name in loop.names}
    return expr is not None and not own.isdisjoint(_refs(expr))


def _refs(expr: definition.Expr) -> Iterator[tuple[str, str]]:
    left: list[Any] = [expr]
    while left:
        match left.pop():
            case ("ref", str(space), str(name)):
                yield space, name
            case ("lit", _):
                pass
            case tuple() as parts:
                left.extend(parts)


def stand_in(step: definition.Step, ordinal: int) -> Instance:
    return Instance(ordinal, f"{step.name}[…]", {})


def is_key_of(name: str, step: str) -> bool:
    """Whether an instance of this step could be called so."""
    return re.fullmatch(rf"{re.escape(step)}\[.*\](#\d+)?", name, re.DOTALL) is not None


def instances(
    step: definition.Step, items: Sequence[values.Value], first: int
) -> tuple[Instance, ...]:
    """The tasks of a step's items, numbered from `first`.

    Raises:
        UsageError: an item does not fit the names.
    """
    names = step.loop.names if step.loop is not None else ()
    made: list[Instance] = []
    seen = Counter[str]()
    for item in items:
        loop = _loop(step, names, item)
        key = f"{step.name}[{','.join(map(_label, loop.values()))}]"
        seen[key] += 1
        if seen[key] > 1:
            key = f"{key}#{seen[key]}"
        made.append(Instance(first + len(made), key, loop))
    return tuple(made)


def _loop(
    step: definition.Step, names: tuple[str, ...], item: values.Value
) -> dict[str, values.Value]:
    if len(names) == 1:
        return {names[0]: item}
    if not isinstance(item, list) or len(item) != len(names):
        raise UsageError(
            f"step {step.name} takes {len(names)} values apiece ({', '.join(names)}),"
            f" but its list holds {values.to_text(item)}"
        )
    return dict(zip(names, item, strict=True))


def _label(value: values.Value) -> str:
    """A loop value in a task's key: short, on one line, printable; a file by its name."""
    text = values.to_text(value)
    if text.startswith(INPUTS):
        text = PurePosixPath(text).name
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _KEY_LENGTH else text[: _KEY_LENGTH - 1] + "…"
