"""One layout for all `.tide` files.

    source ── parser: no mistakes? ── scanner ──> tokens ── read ──> nodes ── write ──> text

Line breaks, spaces, commas between items and the indentation of long strings are decided
here; what a file says is not touched, and no comment is lost. The nodes are nearer to the
text than the syntax tree is: they keep brackets, comments and how a number was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.diagnostics import Diagnostic
from tidelang.formatting.read import read
from tidelang.formatting.write import write
from tidelang.lexing.scan import Scanner
from tidelang.limits import FILE_BYTES, ITEMS
from tidelang.parser import parse
from tidelang.parsing.tables import tables
from tidelang.runtime import reading
from tidelang.source import Source, Span

__all__ = ["Formatted", "format_source"]


@dataclass(frozen=True, slots=True)
class Formatted:
    """`text` is the source in its canonical layout; None where it has mistakes, which
    `diagnostics` tell."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def format_source(source: Source) -> Formatted:
    """Lays a source out. Never raises on what a person wrote."""
    with reading():
        return _format(source)


def _format(source: Source) -> Formatted:
    if mistakes := parse(source).diagnostics:
        return Formatted(None, mistakes)
    scanner = Scanner(source, tables().words, tables().signs)
    text = write(read(source.text, scanner.run()))
    if (len(text) > FILE_BYTES or text.count("\n") > ITEMS) and (grown := _grown(source, text)):
        return Formatted(None, grown)
    return Formatted(text)


def _grown(source: Source, text: str) -> tuple[Diagnostic, ...]:
    """What is told of a file that passes one of the limits only in its new layout."""
    told = parse(Source(source.name, text)).diagnostics
    start, notes = Span(source, 0, 0), ("not as it is now, but in its canonical layout",)
    return tuple(Diagnostic(each.code, each.message, start, notes=notes) for each in told)
