"""Warnings of what a file declares and nobody uses."""

from __future__ import annotations

from collections.abc import Iterable

from tidelang.checking.units import Unit
from tidelang.diagnostics import Fix
from tidelang.report import Report
from tidelang.scope import Symbol

_KEEP = "take it out, or let its name begin with `_` to keep it"
_CODES = {"let": "W101", "param": "W102", "import": "W103"}


def unused(unit: Unit) -> None:
    """Looks through a file without mistakes. The lets of one that has no pipeline are
    there for those who import it."""
    symbols = list(unit.scope.names.values())
    if not unit.pipelines:
        symbols = [symbol for symbol in symbols if symbol.kind != "let"]
    _warn(unit.report, symbols)
    for task in unit.tasks.values():
        _warn(unit.report, task.symbols)
    for checked in unit.pipelines.values():
        _warn(unit.report, checked.scope.names.values())


def _warn(report: Report, symbols: Iterable[Symbol]) -> None:
    for symbol in symbols:
        if symbol.used or symbol.name.startswith("_") or symbol.kind not in _CODES:
            continue
        message = f"{symbol.kind} `{symbol.name}` is never used"
        report.add(_CODES[symbol.kind], message, symbol.span, "", Fix(_KEEP))
