"""Where a check puts what it finds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property

from tidelang.diagnostics import Diagnostic, Fix, Related
from tidelang.source import Source, Span

_DECLARED = re.compile(r"\b(?:let|param|output|step|task|pipeline|as)[ \t]+([A-Za-z_][\w-]*)")


class Report:
    """The diagnostics of one file. It starts with those of the parser, which tell what
    is missing from the tree and must not be missed a second time."""

    def __init__(self, source: Source, parsed: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics = list(parsed)
        self._source = source
        self._unread = [diagnostic.span for diagnostic in self.diagnostics]

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, label, related, fix, notes))

    def annotate(self, since: int, codes: Collection[str], note: str) -> None:
        """Adds a note to those of these codes that were found since there were so many."""
        for at in range(since, len(self.diagnostics)):
            found = self.diagnostics[at]
            if found.code in codes:
                self.diagnostics[at] = replace(found, notes=(*found.notes, note))

    def instead(self, code: str, span: Span) -> None:
        """Takes back what was told of just this span with a code, since more is known."""
        self.diagnostics = [
            told for told in self.diagnostics if told.code != code or told.span != span
        ]

    @property
    def count(self) -> int:
        """How many there are: the same before and after a check that found nothing."""
        return len(self.diagnostics)

    def errors_since(self, count: int) -> bool:
        """Whether there is an error beyond so many diagnostics."""
        return any(not found.code.startswith("W") for found in self.diagnostics[count:])

    @property
    def errors(self) -> bool:
        return any(not diagnostic.code.startswith("W") for diagnostic in self.diagnostics)

    def unread_in(self, span: Span) -> bool:
        """Whether the parser left something out there."""
        return any(span.start <= unread.start <= span.end for unread in self._unread)

    def may_be_unread(self, name: str) -> bool:
        """Whether a name that is not declared is so in a place the parser left out."""
        return bool(self._unread) and name in self._declared

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(_DECLARED.findall(self._source.text))
