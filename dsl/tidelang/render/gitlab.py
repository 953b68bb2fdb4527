"""Diagnostics as a code quality report of GitLab: a JSON list that a merge request shows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tidelang.diagnostics import Diagnostic, Severity

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """The report."""
    return json.dumps([*_entries(diagnostics)], indent=2) + "\n"


def _entries(diagnostics: Sequence[Diagnostic]) -> Iterator[dict[str, Any]]:
    """A fingerprint stays the same when lines move: it is made of what is said and of
    where it stands among equals."""
    seen: Counter[tuple[str, ...]] = Counter()
    for diagnostic in diagnostics:
        span = diagnostic.span
        what = (span.source.name, diagnostic.code, diagnostic.message, span.text)
        seen[what] += 1
        data = json.dumps([*what, seen[what]]).encode("ascii")
        help_ = f"; {diagnostic.fix.message}" if diagnostic.fix else ""
        yield {
            "description": f"{diagnostic.message}{help_}",
            "check_name": diagnostic.code,
            "fingerprint": hashlib.sha256(data).hexdigest(),
            "severity": _SEVERITIES[diagnostic.severity],
            "location": {
                "path": span.source.name.removeprefix("./"),
                "positions": {
                    "begin": {"line": span.first.line, "column": span.first.column},
                    "end": {"line": span.last.line, "column": span.last.column},
                },
            },
        }
