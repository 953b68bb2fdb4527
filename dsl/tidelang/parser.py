"""Parsing: a source text in, its syntax tree and what is wrong with it out.

    characters ── scan ──> tokens ── lay out (balance) ──> tokens ── lark, build ──> File
                                                              └─ recover ──┘

`parse` never raises on what a person wrote, whatever it is: the mistakes are in the
result, and the tree holds all that could be read. Checking what it means is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.diagnostics import Diagnostic, in_order
from tidelang.lexing.layout import lay_out
from tidelang.lexing.scan import Scanner
from tidelang.lexing.token import Token
from tidelang.limits import FILE_BYTES, MISTAKES, LimitError, too_large, too_many_mistakes
from tidelang.parsing.build import Builder
from tidelang.parsing.recovery import Recovery
from tidelang.parsing.tables import tables
from tidelang.reading import odd_characters
from tidelang.source import Source, Span
from tidelang.syntax import File


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read, and the mistakes, in the order of the text."""

    file: File
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse one source."""
    odd = odd_characters(source)
    problems = list(odd)
    file = File((), Span(source, 0, len(source.text)))
    try:
        if len(source.text) > FILE_BYTES:
            raise LimitError(too_large(Span(source, 0, 0)))
        file = _read(source, problems)
    except LimitError as limit:
        problems.append(limit.diagnostic)
    ordered = in_order(problems)
    if len(ordered) > MISTAKES:
        ordered = (*ordered[:MISTAKES], too_many_mistakes(ordered[MISTAKES].span))
    return Parsed(file, ordered)


def _read(source: Source, problems: list[Diagnostic]) -> File:
    scanner = Scanner(source, tables().words, tables().signs)
    raw = scanner.run()
    problems += scanner.problems
    tokens = _laid_out(source, raw, problems)
    builder = Builder(source)
    file, mistakes = Recovery(source, tables(), builder).read(tokens)
    problems += builder.problems
    problems += mistakes
    return file


def _laid_out(source: Source, raw: list[Token], problems: list[Diagnostic]) -> list[Token]:
    tokens = lay_out(source, raw)
    if tokens is None:
        # Loaded for a file with mistakes only: starting is to stay cheap.
        from tidelang.lexing.balance import balance

        balanced = balance(source, raw)
        problems += balanced.problems
        tokens = lay_out(source, balanced.tokens)
        if tokens is None:
            raise RuntimeError("balanced brackets do not match")
    return tokens
