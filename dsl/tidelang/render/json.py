"""Diagnostics for programs: a JSON list, one object each, in this stable shape.

    {"code": "T010", "severity": "error", "message": "…", "label": "…",
     "file": "release.tide",
     "start": {"line": 4, "column": 10, "offset": 61}, "end": {…},
     "related": [{"message": "…", "file": "…", "start": {…}, "end": {…}}],
     "fix": null | {"message": "…", "edit": null | {"file": "…", "start": {…}, "end": {…},
                                                    "replacement": "…"}},
     "notes": ["…"]}

Lines and columns count from 1, columns and offsets in characters; `end` is behind the last
character. Keys are only ever added.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tidelang.diagnostics import Diagnostic, Fix
from tidelang.source import Position, Span


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """The list as JSON text, with a final line end."""
    return json.dumps([as_object(d) for d in diagnostics], indent=2) + "\n"


def as_object(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as plain data."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "label": diagnostic.label,
        **_place(diagnostic.span),
        "related": [{"message": r.message, **_place(r.span)} for r in diagnostic.related],
        "fix": _fix(diagnostic.fix) if diagnostic.fix else None,
        "notes": list(diagnostic.notes),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edit = None
    if fix.span is not None and fix.replacement is not None:
        edit = {**_place(fix.span), "replacement": fix.replacement}
    return {"message": fix.message, "edit": edit}


def _place(span: Span) -> dict[str, Any]:
    return {
        "file": span.source.name,
        "start": _position(span.first, span.start),
        "end": _position(span.last, span.end),
    }


def _position(position: Position, offset: int) -> dict[str, int]:
    return {"line": position.line, "column": position.column, "offset": offset}
