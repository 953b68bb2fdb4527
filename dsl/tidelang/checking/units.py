"""A unit: one file of a compilation, with what it declares and what others see of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidelang.checking.constants import Constants, literal
from tidelang.definition import Expr
from tidelang.parser import Parsed
from tidelang.report import Report
from tidelang.scope import Scope, Symbol
from tidelang.source import Source
from tidelang.types import ANY

if TYPE_CHECKING:
    from tidelang.checking.executors import Executors
    from tidelang.checking.notify import Notifiers
    from tidelang.checking.pipelines import Checked
    from tidelang.checking.plugins import Plugins
    from tidelang.checking.tasks import Task


@dataclass(slots=True)
class Unit:
    """One file. `imports` are the units that its aliases stand for, None where one could
    not be had, which has been said."""

    source: Source
    parsed: Parsed
    report: Report
    scope: Scope
    constants: Constants
    executors: Executors
    notifiers: Notifiers
    plugins: Plugins
    imports: dict[str, Unit | None] = field(default_factory=dict)
    lets: list[str] = field(default_factory=list)
    values: dict[str, Expr] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    pipelines: dict[str, Checked] = field(default_factory=dict)
    shared: dict[str, Symbol] = field(default_factory=dict)
    """Its lets as others see them: with the value in the place of the name."""
    expanded: int = 0
    """Characters of its tasks, counted anew for each call."""
    outside: Scope = field(init=False)
    """What a task of this file sees where it is called."""

    def members(self) -> list[str]:
        """What an importer can name."""
        return [*self.lets, *self.tasks, *self.pipelines]

    def share(self) -> None:
        """Makes its lets ready for use outside of this file, where their names may mean
        something else. A file's lets use no params, so each has a value, or is broken."""
        for name in self.lets:
            symbol = self.scope.names[name]
            known = not symbol.broken and name in self.constants.values
            self.shared[name] = Symbol(
                name,
                "let",
                symbol.span,
                literal(self.constants.values[name]) if known else (),
                symbol.type if known else ANY,
                broken=not known,
            )
        self.outside = Scope(self.report)
        self.outside.names = {**self.scope.names, **self.shared}
