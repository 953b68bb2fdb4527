"""Diagnostics are data: what is wrong, where, what belongs to it, and the fix.

Nothing here prints; `tidelang.render` turns diagnostics into text, JSON and more.
The codes and their one-line titles stand in `tidelang.codes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidelang.source import Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that belongs to the matter, and what it has to do with it."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One suggested edit: `span` becomes `replacement`. `message` is the help line."""

    message: str
    span: Span | None = None
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    `code` is stable (`T201`, `W101`); `message` is one plain sentence without a final
    stop; `label` is the short text beside the underline; `notes` say which rule, schema
    or `defaults` set a thing.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
    notes: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code.startswith("W") else Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """As a reader meets them: by source name, then by place, then by code."""
    return tuple(
        sorted(diagnostics, key=lambda d: (d.span.source.name, d.span.start, d.span.end, d.code))
    )
