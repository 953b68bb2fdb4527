"""`except = […]` of a schedule: days, ranges of days, and files of calendars.

What a calendar holds is not read here: a definition names it, and who applies the file
reads it.
"""

from __future__ import annotations

import re
from datetime import date

from tidelang import blocks
from tidelang.checking.bodies import Parts, setting
from tidelang.checking.context import Context
from tidelang.diagnostics import Fix
from tidelang.source import Span
from tidelang.suggest import listed
from tidelang.syntax import ListExpression

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_OTHER_WAYS = (
    re.compile(r"(?P<d>\d{1,2})\.\s*(?P<m>\d{1,2})\.\s*(?P<y>\d{4})", re.ASCII),
    re.compile(r"(?P<y>\d{4})[/.]?(?P<m>\d{2})[/.]?(?P<d>\d{2})", re.ASCII),
)
"""As people write days that can be told apart: not `12/24/2026`."""

_FORMS = ("`2026-12-24`", "`2026-12-24..2027-01-01`", "`holidays.ics`")


class _Wrong(Exception):
    """What is wrong with an entry, and what was meant, where that can be told."""

    def __init__(self, label: str, hint: str = "", meant: str = "") -> None:
        super().__init__(label)
        self.label = label
        self.hint = hint
        self.meant = meant


def days_of(ctx: Context, parts: Parts) -> tuple[str, ...]:
    """What a schedule leaves out, each once and in order."""
    found = setting(ctx, parts, blocks.SCHEDULE, "except")
    if not isinstance(found, list | tuple):
        return ()
    node = parts.attributes["except"].value
    spans = [node.span] * len(found)
    if isinstance(node, ListExpression) and len(node.items) == len(found):
        spans = [item.span for item in node.items]
    entries = (_entry(ctx, str(text), span) for text, span in zip(found, spans, strict=True))
    return tuple(sorted({entry for entry in entries if entry is not None}))


def _entry(ctx: Context, text: str, span: Span) -> str | None:
    try:
        return _path(text) if text.lower().endswith(".ics") else _days(text)
    except _Wrong as wrong:
        fix = Fix(wrong.hint or f"an entry is {listed(_FORMS, last='or')}")
        if wrong.meant:
            fix = Fix(wrong.hint or "write", span, f'"{wrong.meant}"')
        message = f"`{text}` is no day that can be left out"
        ctx.report.add("T412", message, span, wrong.label, fix)
        return None


def _path(text: str) -> str:
    if text.startswith(("/", "~")) or "\\" in text or "\0" in text:
        hint = "a calendar is named by its path from this file, with `/` between folders"
        raise _Wrong("not a path from this file", hint)
    return text


def _days(text: str) -> str:
    first, dots, last = text.partition("..")
    start = _day(first, text)
    if not dots:
        return first
    if _day(last, text) < start:
        raise _Wrong("ends before it begins", "the earlier day comes first", f"{last}..{first}")
    return text


def _day(text: str, whole: str) -> date:
    if not _DAY.fullmatch(text):
        meant = _meant(text) if text == whole else ""
        raise _Wrong("not a day as in `2026-12-24`", meant=meant)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Wrong(f"there is no {text} in the calendar") from None


def _meant(text: str) -> str:
    for way in _OTHER_WAYS:
        if found := way.fullmatch(text.strip()):
            try:
                return date(*(int(found[part]) for part in "ymd")).isoformat()
            except ValueError:
                return ""
    return ""
