"""The definition: what a checked pipeline means, frozen, as data and as JSON.

The engine reads nothing else. Equal sources give equal bytes, and those bytes have one
SHA-256 digest: layout, comments and the order of keys in the source do not reach it.

An expression in a definition (`Expr`) is a nested tuple whose first member says what
it is; `tidelang.evaluate` gives each its value:

    ("lit", value)                          null, bool, int, float, str
    ("dur", milliseconds)  ("size", bytes)
    ("ref", space, name)                    space: param let loop run step event
    ("get", expr, name)    ("at", expr, expr)
    ("op", operator, left, right)           or and == != < <= > >= in "not in" + - * / %
    ("not", expr)          ("neg", expr)
    ("if", condition, then, otherwise)
    ("list", (expr, …))    ("obj", ((key, expr), …))
    ("each", element, (name, …), iterable, condition or None)    names are in space loop
    ("call", function, (expr, …), ((name, expr), …))
    ("foreign", function, distribution, (expr, …), ((name, expr), …))    of a plugin
    ("text", (expr, …))                     a template: parts joined as text
    ("state", "succeeded" | "failed" | "skipped" | "done", step)
    ("secret", name)                        resolved on the worker, never before
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
    """`for names in items`. Where `items` uses outputs of other steps, the list is known
    only when those have ended, and so are the tasks."""

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
class Approval:
    """A step that waits for a person to say yes or no. `by` names the users or groups
    that may, anybody where it is empty; `timeout` is in milliseconds."""

    prompt: Expr
    by: tuple[str, ...] = ()
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Subrun:
    """A step that runs another pipeline and waits for its end. `digest` is that of its
    definition, so that a definition names everything that it means."""

    pipeline: str
    digest: str
    params: tuple[tuple[str, Expr], ...] = ()


Action = Script | Argv | Approval | Subrun


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
class Cache:
    """When a step need not run again: nothing that its key is made of has changed since
    it succeeded. The key is the resolved step, the content of the files that `inputs`
    (globs, from the project's root; an item that is a list gives several) match, the
    outputs it uses, and `key`. A result older than `max_age` milliseconds does not
    count."""

    inputs: tuple[Expr, ...] = ()
    key: Expr | None = None
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when something is to have ended, in milliseconds from its due time, and what is
    done when it has not: `notify` only, `cancel` it, or `escalate` its priority."""

    after: int
    action: str = "notify"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `needs` names every step it waits for, by `needs` or by use, in file
    order. Where `when_decides` is set, `when` alone decides once all needs have ended."""

    name: str
    action: Action
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
    cache: Cache | None = None
    priority: str = "normal"
    """critical high normal low bulk"""
    pool: str = "default"
    resources: tuple[tuple[str, int | float], ...] = ()
    """`cpu` in cores, `memory` and `disk` in bytes, `gpu` and others counted; by name"""
    labels: tuple[tuple[str, str], ...] = ()
    """what a worker must be labelled with, by name"""
    regions: tuple[str, ...] = ()
    """the preferred one first; empty where any will do"""
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cron` is five fields; `every` milliseconds; `at` a moment on the wall clock, as ISO
    8601 without a zone: one of the three is set. `jitter` and `prewarm` (how long ahead of
    the due time workers get ready) are in milliseconds. `dst` is what becomes of times that
    the clocks leave out or show twice: None where cron's custom is followed. `excluded` are
    days, ranges of days (`a..b`) and files of calendars, in order."""

    cron: str | None = None
    every: int | None = None
    timezone: str = "UTC"
    params: tuple[tuple[str, Expr], ...] = ()
    overlap: str = "skip"
    catchup: str = "latest"
    jitter: int = 0
    prewarm: int = 0
    at: str | None = None
    dst: str | None = None
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """What else starts a run. `kind` is `pipeline` (another one's end, in a state out of
    `on`), `event` or `webhook`; `source` is the pipeline's name, the event's subject or
    the webhook's name. `when`, `params` and `key` may use the event's fields (space `event`).
    `secret` signs a webhook's requests. `dedupe` (for how long a key that started a run
    starts no other) and `debounce` (how long to wait for more events of the key) are in
    milliseconds, 0 for not at all."""

    kind: str
    source: str
    on: tuple[str, ...] = ()
    when: Expr | None = None
    params: tuple[tuple[str, Expr], ...] = ()
    secret: Expr | None = None
    key: Expr | None = None
    dedupe: int = 0
    debounce: int = 0


@dataclass(frozen=True, slots=True)
class Notification:
    """Which notifier is told of which events, and its settings. A template among them is
    the source of a Jinja2 document."""

    kind: str
    on: tuple[str, ...]
    settings: tuple[tuple[str, Expr], ...] = ()


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
    triggers: tuple[Trigger, ...] = ()
    notifications: tuple[Notification, ...] = ()
    concurrency: int | None = None
    """how many of its runs may be at work at a time"""
    deadline: Deadline | None = None
    format: int = FORMAT
