"""Names: what is declared where, and what a name that is not there may have meant.

One scope for a file's lets, one within it for each pipeline, and in that the variables
of loops while they last. Nothing may be declared over another: a name means one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tidelang.definition import Expr, Type
from tidelang.diagnostics import Fix, Related
from tidelang.report import Report
from tidelang.source import Source, Span
from tidelang.suggest import Names
from tidelang.syntax import Name
from tidelang.types import ANY, INT, STRING, TIME

RUN_FIELDS: dict[str, Type] = {
    "id": STRING,
    "number": INT,
    "pipeline": STRING,
    "due": TIME,
    "started": TIME,
    "trigger": STRING,
    "state": STRING,
    "attempt": INT,
}
RESERVED = {"run": "the run itself (`run.number`)", "event": "what triggered a run"}


class Imported(Protocol):
    """A file that was imported, as values see it: `shared` are its lets, with what they
    stand for outside of it."""

    @property
    def source(self) -> Source: ...

    @property
    def report(self) -> Report: ...

    @property
    def lets(self) -> list[str]: ...

    @property
    def shared(self) -> Mapping[str, Symbol]: ...

    @property
    def tasks(self) -> Mapping[str, object]: ...

    @property
    def pipelines(self) -> Mapping[str, object]: ...

    def members(self) -> list[str]:
        """What an importer can name."""


@dataclass(slots=True)
class Symbol:
    """What a name stands for. `kind` is `let`, `param`, `step`, `loop variable`, `task` or
    `import`. `expr` refers to it; `broken` says that its value could not be made out, of
    which nobody is to hear again. A step has `outputs` (with `open`, others too), an import
    the `unit` that was imported."""

    name: str
    kind: str
    span: Span
    expr: Expr = ()
    type: Type = ANY
    used: bool = False
    broken: bool = False
    outputs: dict[str, Type] = field(default_factory=dict)
    open: bool = False
    lets: tuple[str, ...] = ()
    unit: Imported | None = None


class Scope:
    """The names of a file or, with the file's as `parent`, of a pipeline or task. `prime`
    stands behind the names of loop variables in what expressions mean."""

    def __init__(self, report: Report, parent: Scope | None = None, prime: str = "") -> None:
        self.prime = prime
        self.names: dict[str, Symbol] = {}
        self.parent = parent
        self._loop: dict[str, Symbol] = {}
        self._report = report
        self._known: tuple[int, Names] = (-1, Names(()))

    def find(self, name: str) -> Symbol | None:
        found = self._loop.get(name) or self.names.get(name)
        return found if found or not self.parent else self.parent.find(name)

    def declare(self, symbol: Symbol) -> bool:
        """Adds a name, unless it is taken."""
        if not self._free(symbol.name, symbol.span, symbol.kind):
            return False
        self.names[symbol.name] = symbol
        return True

    def _free(self, name: str, span: Span, kind: str) -> bool:
        if name in RESERVED:
            message = f"`{name}` cannot be the name of a {kind}: it always stands for"
            self._report.add("T103", f"{message} {RESERVED[name]}", span, "taken")
            return False
        first = self.find(name)
        if first is None:
            return True
        message = f"the name `{name}` is declared twice"
        if first.kind != kind:
            message = f"the name `{name}` is that of a {first.kind} already"
        related = (Related(first.span, f"first declared here, as a {first.kind}"),)
        fix = Fix("give one of them another name")
        self._report.add("T102", message, span, "declared again", fix, related)
        return False

    @contextmanager
    def loop(self, targets: Iterable[tuple[Name, Type]]) -> Iterator[None]:
        """Has the variables of a loop while it is looked at."""
        before = dict(self._loop)
        for target, type in targets:  # noqa: A001
            if self._free(target.id, target.span, "loop variable") or target.id not in RESERVED:
                expr = ("ref", "loop", target.id + self.prime)  # meant, even if taken
                self._loop[target.id] = Symbol(target.id, "loop variable", target.span, expr, type)
        try:
            yield
        finally:
            self._loop = before

    def nearest(self, word: str) -> str | None:
        """A name in scope that is spelt nearly so."""
        count = len(self.names) + len(self._loop)
        if self._known[0] != count:
            self._known = (count, Names([*self._loop, *self.names, "run"]))
        near = self._known[1].nearest(word)
        return near if near or not self.parent else self.parent.nearest(word)

    def visible(self) -> list[str]:
        """All names, the nearest scope's first."""
        return [*self._loop, *self.names, *(self.parent.visible() if self.parent else ())]
