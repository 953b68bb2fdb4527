"""Diagnostics as SARIF 2.1.0 (OASIS), which code hosts and editors show in place.

Columns count Unicode code points from 1, as `columnKind` says; files are named by URIs
relative to the folder that the command was started in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tidelang import codes
from tidelang.diagnostics import Diagnostic, Fix
from tidelang.source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "FOLDER"


def render(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """One run of the tool of this version, with a rule for each code that is told."""
    told = sorted({diagnostic.code for diagnostic in diagnostics})
    run = {
        "tool": {"driver": {"name": "Tidemill", "version": version, "rules": [*map(_rule, told)]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": Path.cwd().as_uri().rstrip("/") + "/"}},
        "results": [_result(d, told.index(d.code)) for d in diagnostics],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    page = codes.page(code) or ""
    return {
        "id": code,
        "shortDescription": {"text": codes.title(code) or code},
        "help": {"text": page, "markdown": page},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    text = [diagnostic.message]
    text += [f"help: {diagnostic.fix.message}"] if diagnostic.fix else []
    text += [f"note: {note}" for note in diagnostic.notes]
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": "\n".join(text)},
        "locations": [_location(diagnostic.span, diagnostic.label)],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": at, **_location(related.span, related.message)}
            for at, related in enumerate(diagnostic.related)
        ]
    if diagnostic.fix and (fix := _fix(diagnostic.fix)):
        result["fixes"] = [fix]
    return result


def _location(span: Span, message: str) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(span), "region": _region(span)}
    }
    if message:
        place["message"] = {"text": message}
    return place


def _fix(fix: Fix) -> dict[str, Any] | None:
    if fix.span is None or fix.replacement is None:
        return None
    change = {"deletedRegion": _region(fix.span), "insertedContent": {"text": fix.replacement}}
    return {
        "description": {"text": fix.message},
        "artifactChanges": [{"artifactLocation": _artifact(fix.span), "replacements": [change]}],
    }


def _artifact(span: Span) -> dict[str, str]:
    name = span.source.name
    if os.path.isabs(name):  # noqa: PTH117  a name, of which nothing is asked
        return {"uri": Path(name).as_uri()}
    return {"uri": quote(name.removeprefix("./")), "uriBaseId": _ROOT}


def _region(span: Span) -> dict[str, int]:
    first, last = span.first, span.last
    return {
        "startLine": first.line,
        "startColumn": first.column,
        "endLine": last.line,
        "endColumn": last.column,
    }
