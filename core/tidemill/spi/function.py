"""The contract of functions that a plugin adds to the Tide language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FunctionType:
    """A function that a plugin offers. `kind` is its name in a file; it is none of the
    language's own.

    Every parameter and the result are annotated: `str`, `int`, `float`, `bool`, `Any`,
    `Literal["a", "b"]`, `list[…]` and `dict[str, …]` of these, and each of them `| None`.
    From this the language checks calls. A parameter with a default may be left out. There is
    no `*args` and no `**kwargs`. Without a `description` the first line of its docstring is
    taken.

    It must be pure: what it gives depends on its arguments alone, always and everywhere.
    It reads no clock, file, network or environment, has no effect, and does not change its
    arguments. It is called where expressions are worked out: while a file is compiled, when a
    run is made, and in the scheduler, inside of a turn, on any thread, as often as it takes.
    So it must be quick, and it is trusted: nothing bounds its time or its memory. What it
    gives may have as many items and characters as any value of the language.

    A `ValueError` is for the author of the file: its text is shown behind the function's
    name. Any other exception is shown with its type. Either way the expression has no value,
    as if a function of the language had failed."""

    kind: str
    function: Callable[..., Any]
    description: str = ""
