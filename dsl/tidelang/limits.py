"""How large a file may be. Each limit has an error of its own; none is near real use.

With these, nothing that a person can write makes the compiler recurse without bound or
run for minutes.
"""

from __future__ import annotations

from tidelang.diagnostics import Diagnostic, Fix
from tidelang.source import Span

FILE_BYTES = 8 * 1024 * 1024
"""A file of 20,000 rich steps is under 5 MB."""

STRING_CHARACTERS = 1024 * 1024
"""One string, holes included."""

BRACKETS = 64
"""Brackets, braces and holes within each other."""

CHAIN = 200
"""The depth of one expression's tree: brackets around it, and operators, dots and calls
in a row. `tidelang.runtime` sees to it that a tree so deep can be walked by recursion."""

ITEMS = 400_000
"""Items of one file."""

FILES = 1_000
"""Files that one file imports, directly or not."""

EXPANSION = 32 * 1024 * 1024
"""Characters of the tasks of one file, counted anew for each call: what compiling a call
costs grows with the task's text."""

MISTAKES = 100
"""Syntax mistakes told about one file; behind so many, one more line is no help."""

INTEGER = 2**63 - 1
"""What every part of the system that stores a number can hold."""


class LimitError(Exception):
    """Reading on makes no sense; `diagnostic` says which limit was passed, and where."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "T091",
        f"more than {BRACKETS} brackets within each other",
        span,
        label="one too many",
        fix=Fix("give the inner part a name with `let`"),
    )


def too_long_a_chain(span: Span) -> Diagnostic:
    return Diagnostic(
        "T094",
        f"this expression is more than {CHAIN} operations deep",
        span,
        fix=Fix("give parts of it names with `let`, or use a list and `join`"),
    )


def too_many_items(span: Span) -> Diagnostic:
    return Diagnostic("T093", f"more than {ITEMS:,} items in one file", span)


def too_large(span: Span) -> Diagnostic:
    return Diagnostic("T090", f"this file is larger than {FILE_BYTES // 2**20} MiB", span)


def too_many_mistakes(span: Span) -> Diagnostic:
    return Diagnostic(
        "T095", f"more than {MISTAKES} mistakes; those from here on are not shown", span
    )
