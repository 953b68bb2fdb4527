"""The compiler: a source in, definitions and diagnostics out.

    source ── parser ──> tree ── checking ──> what it means ── lower ──> definitions
                 └── diagnostics ──┴── diagnostics

It is pure: the same sources and the same plugins give the same result. Finding and
reading files (`reading.Loader`) and showing diagnostics is left to others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidelang import blocks
from tidelang.checking import calls, forms, operators, texts
from tidelang.checking.bodies import sorted_body
from tidelang.checking.constants import Constants
from tidelang.checking.context import Context
from tidelang.checking.executors import Executors
from tidelang.checking.imports import Gathered, declare_imports
from tidelang.checking.lets import check_lets
from tidelang.checking.notify import Notifiers
from tidelang.checking.pipelines import check_pipeline, declare_pipeline
from tidelang.checking.plugins import NoPlugins, Plugins
from tidelang.checking.subruns import no_circles
from tidelang.checking.tasks import check_task, declare_task
from tidelang.checking.units import Unit
from tidelang.checking.unused import unused
from tidelang.definition import Definition
from tidelang.diagnostics import Diagnostic, Fix, Severity, in_order
from tidelang.lower import Lowered
from tidelang.parser import Parsed, parse
from tidelang.reading import Loader, NoFiles
from tidelang.report import Report
from tidelang.runtime import reading
from tidelang.scope import Scope
from tidelang.source import Source, Span
from tidelang.syntax import Body, Let, Pipeline, Task

__all__ = ["Compilation", "NoPlugins", "Plugins", "check_tree", "compile_source"]

_FORMS = (calls, forms, operators, texts)
"""Imported for what they add to `checking.context.CHECKS`."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """The pipelines of a file, in its order; none where there is an error. `called` has
    the definitions of the pipelines that steps run, by digest, each before its callers."""

    definitions: tuple[Definition, ...]
    diagnostics: tuple[Diagnostic, ...]
    called: Mapping[str, Definition] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return all(d.severity is not Severity.ERROR for d in self.diagnostics)


def compile_source(source: Source, plugins: Plugins, loader: Loader | None = None) -> Compilation:
    """Parses, checks and lowers one file, with what it imports."""
    with reading():
        return check_tree(source, parse(source), plugins, loader)


def check_tree(
    source: Source, parsed: Parsed, plugins: Plugins, loader: Loader | None = None
) -> Compilation:
    """Checks and lowers a file that has been parsed."""

    def new(read: Source) -> Unit:
        return _unit(read, parsed if read is source else parse(read), plugins)

    gathered = Gathered(source, loader or NoFiles(), new)
    for unit in gathered.order:
        _check(unit)
    main = gathered.main
    _has_something(main)
    found = [d for unit in gathered.order for d in unit.report.diagnostics if _told(d, unit, main)]
    if any(d.severity is Severity.ERROR for d in found):
        return Compilation((), in_order(found))
    before = main.report.count
    unused(main)
    found += main.report.diagnostics[before:]
    lowered = Lowered(gathered.order)
    return Compilation(lowered.of(main), in_order(found), lowered.called)


def _told(diagnostic: Diagnostic, unit: Unit, main: Unit) -> bool:
    """Warnings of imported files are for those who look at these."""
    return unit is main or diagnostic.severity is Severity.ERROR


def _unit(source: Source, parsed: Parsed, plugins: Plugins) -> Unit:
    report = Report(source, parsed.diagnostics)
    executors, notifiers = Executors(report, plugins), Notifiers(report, plugins)
    return Unit(source, parsed, report, Scope(report), Constants(), executors, notifiers, plugins)


def _check(unit: Unit) -> None:
    """Everything in a file: what it declares first, then what stands in that."""
    body = Body(unit.parsed.file.items, unit.parsed.file.span)
    items = sorted_body(unit.report, body, blocks.FILE).declarations
    declare_imports(unit)
    for item in items:
        if isinstance(item, Task):
            declare_task(unit, item)
    ctx = Context(unit.report, unit.scope, unit.constants, unit.plugins)
    unit.lets = check_lets(ctx, [item for item in items if isinstance(item, Let)])
    unit.values = ctx.values
    unit.share()
    for task in unit.tasks.values():
        check_task(task)
    for item in items:
        if isinstance(item, Pipeline):
            declare_pipeline(unit, item)
    for checked in unit.pipelines.values():
        check_pipeline(checked)
    no_circles(unit)


def _has_something(main: Unit) -> None:
    """A file of tasks and lets is there for others to import; an empty one is a slip."""
    if main.members() or main.report.errors:
        return
    fix = Fix('add a pipeline: `pipeline hello { step hi { run = "echo hi" } }`')
    start = Span(main.source, 0, min(1, len(main.source.text)))
    main.report.add("T311", "this file declares nothing", start, "", fix)
