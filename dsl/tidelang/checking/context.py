"""What a check needs to know of the place it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tidelang.checking.constants import BROKEN, Constants
from tidelang.checking.secrets import HERE, Refusal
from tidelang.definition import Expr, Type
from tidelang.functions import Function
from tidelang.report import Report
from tidelang.scope import Scope
from tidelang.source import Span
from tidelang.syntax import Expression
from tidelang.types import ANY

Typed = tuple[Type, Expr]
UNKNOWN: Typed = (ANY, BROKEN)
"""What stands for an expression that makes no sense; the report says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """What may be named at a place. `title` names it in messages: "a `let`"."""

    title: str
    steps: bool = False
    run: bool = False
    states: bool = False
    event: bool = False


LET = Place("a `let`")
FOR = Place("the list of a `for`", steps=True, run=True)
DEFAULTS = Place("`defaults`", run=True)
STEP = Place("a step", steps=True, run=True)
WHEN = Place("`when`", steps=True, run=True, states=True)
TRIGGER = Place("a trigger", event=True)
SETTLED = Place("a setting that must be known before the run")


class Functions(Protocol):
    """What is asked about functions that are not the language's own: see
    `checking.plugins.Plugins`."""

    def function_names(self) -> tuple[str, ...]: ...
    def function(self, name: str) -> Function | None: ...
    def function_problem(self, name: str) -> str | None: ...


class Context:
    """A scope to look names up in, a place, and what the expressions there used.

    `uses` are steps with where they are named, `lets` lets, `states` whether a question
    about a step's end was asked; `values` are the lets' meanings. `step` is the name of
    the step that is looked at."""

    __slots__ = (
        "constants",
        "functions",
        "lets",
        "place",
        "report",
        "scope",
        "states",
        "step",
        "uses",
        "values",
    )

    def __init__(
        self, report: Report, scope: Scope, constants: Constants, functions: Functions
    ) -> None:
        self.report = report
        self.scope = scope
        self.constants = constants
        self.functions = functions
        self.place = LET
        self.step = ""
        self.uses: dict[str, Span] = {}
        self.states = False
        self.lets: dict[str, None] = {}
        self.values: dict[str, Expr] = {}

    def check(self, node: Expression, refusal: Refusal = HERE) -> Typed:
        """The type and the meaning of an expression, which is no secret: one is refused,
        for the reason that is given."""
        found = self.check_open(node)
        if found[0].name != "secret":
            return found
        refusal.tell(self.report, node)
        return UNKNOWN

    def check_open(self, node: Expression) -> Typed:
        """The same where a secret may stand: for those who know that it stays one."""
        return CHECKS[type(node)](self, node)


CHECKS: dict[type, Callable[[Context, Any], Typed]] = {}
"""Filled by the modules that know the forms of expressions (see `checking.forms`)."""
