"""The compiler: a source in, definitions and diagnostics out.

    source ── parser ──> tree ── checking ──> what it means ── lower ──> definitions
                 └── diagnostics ──┴── diagnostics

It is pure: the same source and the same plugins give the same result. Reading files and
showing diagnostics is left to others.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tidelang import blocks
from tidelang.checking import calls, forms, operators, texts
from tidelang.checking.bodies import no_meaning, sorted_body
from tidelang.checking.constants import Constants
from tidelang.checking.context import Context
from tidelang.checking.executors import Executors
from tidelang.checking.lets import check_lets
from tidelang.checking.notify import Notifiers
from tidelang.checking.pipelines import Checked, check_pipeline, unused
from tidelang.checking.plugins import NoPlugins, Plugins
from tidelang.definition import Definition
from tidelang.diagnostics import Diagnostic, Fix, Related, Severity, in_order
from tidelang.lower import lower
from tidelang.parser import Parsed, parse
from tidelang.report import Report
from tidelang.scope import Scope, Symbol
from tidelang.source import Source, Span
from tidelang.syntax import Body, Import, Item, Let, Pipeline, Task

__all__ = ["Compilation", "NoPlugins", "Plugins", "check_tree", "compile_source"]

_FORMS = (calls, forms, operators, texts)
"""Imported for what they add to `checking.context.CHECKS`."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """The pipelines of a file, in its order; none where there is an error."""

    definitions: tuple[Definition, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return all(d.severity is not Severity.ERROR for d in self.diagnostics)


def compile_source(source: Source, plugins: Plugins) -> Compilation:
    """Parses, checks and lowers one file."""
    with _no_collection():
        return check_tree(source, parse(source), plugins)


def check_tree(source: Source, parsed: Parsed, plugins: Plugins) -> Compilation:
    """Checks and lowers a file that has been parsed."""
    report = Report(source, parsed.diagnostics)
    parts = sorted_body(report, _as_body(parsed), blocks.FILE)
    ctx = Context(report, Scope(report), Constants())
    for item in parts.declarations:
        _planned(ctx, item)
    lets = check_lets(ctx, [item for item in parts.declarations if isinstance(item, Let)])
    nodes = _pipelines(report, parts.declarations)
    executors = Executors(report, plugins)
    notifiers = Notifiers(report, plugins)
    checked = [
        check_pipeline(report, node, ctx.scope, ctx.constants, executors, notifiers)
        for node in nodes
    ]
    if not nodes and not report.errors:
        fix = Fix('add one: `pipeline hello { step hi { run = "echo hi" } }`')
        start = Span(source, 0, min(1, len(source.text)))
        report.add("T311", "this file has no pipeline", start, "", fix)
    if report.errors:
        return Compilation((), in_order(report.diagnostics))
    _unused(report, ctx.scope, checked)
    definitions = tuple(lower(each, lets, ctx.values) for each in checked)
    return Compilation(definitions, in_order(report.diagnostics))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector: a tree has no cycles and all of it is in use,
    and looking through it again and again took a third of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _as_body(parsed: Parsed) -> Body:
    return Body(parsed.file.items, parsed.file.span)


def _planned(ctx: Context, item: Item) -> None:
    """Imports and tasks: said to have no meaning yet, their names taken for known."""
    if isinstance(item, Import):
        no_meaning(ctx.report, "`import`", item.path.span)
        ctx.scope.declare(Symbol(item.alias.id, "import", item.alias.span))
    elif isinstance(item, Task):
        no_meaning(ctx.report, "`task`", item.name.span)


def _pipelines(report: Report, items: list[Item]) -> list[Pipeline]:
    first: dict[str, Pipeline] = {}
    for item in items:
        if not isinstance(item, Pipeline):
            continue
        known = first.setdefault(item.name.id, item)
        if known is not item:
            related = (Related(known.name.span, "first declared here"),)
            message = f"pipeline `{item.name.id}` is declared twice"
            report.add("T102", message, item.name.span, "declared again", related=related)
    return list(first.values())


def _unused(report: Report, scope: Scope, checked: list[Checked]) -> None:
    unused(report, list(scope.names.values()))
    for each in checked:
        unused(report, list(each.scope.names.values()))
