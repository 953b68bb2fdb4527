"""The definition: what a checked pipeline means, frozen, as data and as JSON.

The engine reads nothing else. Equal sources give equal bytes, and those bytes have one
SHA-256 digest: layout, comments and the order of keys in the source do not reach it.

An expression in a definition (`Expr`) is a nested tuple whose first member says what
it is; `tidelang.evaluate` gives each its value:

    ("lit", value)                          null, bool, int, float, str
    ("dur", milliseconds)  ("size", bytes)
    ("ref", space, name)                    space: param let loop run step
    ("get", expr, name)    ("at", expr, expr)
    ("op", operator, left, right)           or and == != < <= > >= in "not in" + - * / %
    ("not", expr)          ("neg", expr)
    ("if", condition, then, otherwise)
    ("list", (expr, …))    ("obj", ((key, expr), …))
    ("each", element, (name, …), iterable, condition or None)    names are in space loop
    ("call", function, (expr, …), ((name, expr), …))
    ("text", (expr, …))                     a template: parts joined as text
    ("state", "succeeded" | "failed" | "skipped" | "done", step)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
"""Raised whenever the shape of the JSON changes."""

Expr = tuple[Any, ...]
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Type:
    """`name`: string int float bool duration size time file secret any list map enum.

    `of` is the member type of a list or map; `low` and `high` bound a number;
    `members` are an enum's string literals."""

    name: str
    of: Type | None = None
    low: int | float | None = None
    high: int | float | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Param:
    """`default` is None where a value must be given."""

    name: str
    type: Type
    default: Expr | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Let:
    """A value that depends on params: worked out once, when a run is made, in order."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """`for names in items`; `items` may use params, lets and functions, not steps."""

    names: tuple[str, ...]
    items: Expr


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a script refers to. `name` is its environment variable.

    `kind` says how it gets in: `value` (an environment variable, referred to in the
    text), `number` (the same, and it must be one), `words` (a list: a variable and a
    quoted reference for each item), `raw` (its text is pasted: the `| raw` filter),
    `quoted` (a variable that holds the value as quoted words of a second shell: the
    `| sh` filter)."""

    name: str
    kind: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Script:
    """A script in which each hole has become a reference to a variable.

    `parts` are stretches of text and, for `words` and `raw` variables, whose text is
    known only when the step starts, the index of the variable to put there.
    `interpreter` is an argv that takes the text as the argument behind `-c` or, with
    `in_file`, in a file whose path is the last argument."""

    parts: tuple[str | int, ...]
    variables: tuple[Variable, ...] = ()
    interpreter: tuple[str, ...] = ("sh", "-e")
    in_file: bool = False


@dataclass(frozen=True, slots=True)
class Argv:
    """A program and its arguments, without a shell. An item that is a list gives
    several arguments."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A value (`glob` is None) or files of the workdir (`type` file or list(file))."""

    name: str
    type: Type
    glob: Expr | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` counts all of them; waits are in milliseconds; `on` holds outcomes:
    failed, timed_out, lost."""

    attempts: int = 1
    backoff: int = 1_000
    factor: float = 2.0
    max: int = 60_000
    on: tuple[str, ...] = ("failed", "timed_out", "lost")


@dataclass(frozen=True, slots=True)
class Executor:
    """Which plugin runs a step, and its settings (an object of expressions)."""

    kind: str = "local"
    settings: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `needs` names every step it waits for, by `needs` or by use, in file
    order. Where `when_decides` is set, `when` alone decides once all needs have ended."""

    name: str
    action: Script | Argv
    needs: tuple[str, ...] = ()
    when: Expr | None = None
    when_decides: bool = False
    loop: Loop | None = None
    max_parallel: int | None = None
    env: tuple[tuple[str, Expr], ...] = ()
    workdir: Expr | None = None
    outputs: tuple[Output, ...] = ()
    timeout: int | None = None
    """milliseconds"""
    retry: Retry = Retry()
    allow_failure: bool = False
    idempotent: bool = True
    executor: Executor = Executor()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cron` is five fields; `every` milliseconds: one of the two is set. `jitter` is in
    milliseconds."""

    cron: str | None = None
    every: int | None = None
    timezone: str = "UTC"
    params: tuple[tuple[str, Expr], ...] = ()
    overlap: str = "skip"
    catchup: str = "latest"
    jitter: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """One pipeline."""

    name: str
    description: str = ""
    params: tuple[Param, ...] = ()
    lets: tuple[Let, ...] = ()
    max_parallel: int | None = None
    schedules: tuple[Schedule, ...] = ()
    steps: tuple[Step, ...] = field(default=())
    format: int = FORMAT
