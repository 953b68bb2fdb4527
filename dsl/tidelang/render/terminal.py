"""Diagnostics for people: the line, the mark, what belongs to it, and the fix.

error[T010]: a value is given with `=`, not with `:`
 --> release.tide:4:10
  |
4 |   timeout: 10m
  |          ^
help: write `=`
  |
4 |   timeout = 10m
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tidelang.diagnostics import Diagnostic, Fix, Severity
from tidelang.render.cells import cells, clean
from tidelang.render.excerpt import Mark, cut, excerpt, numbered
from tidelang.render.style import Style
from tidelang.source import Source, Span

_WIDTH = 120
_LEAST = 30
_MOST_LINES = 6
"""Lines of a fix that are shown."""


def render(diagnostics: Sequence[Diagnostic], *, color: bool, width: int | None) -> str:
    """All diagnostics and a line that counts them, for a screen of `width` columns (None:
    wide). Empty where there are none."""
    if not diagnostics:
        return ""
    parts = [_one(diagnostic, color, width or _WIDTH) for diagnostic in diagnostics]
    return "\n\n".join([*parts, summary(diagnostics)]) + "\n"


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`3 errors, 1 warning in release.tide`"""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    said = [_counted(counts[severity], severity) for severity in Severity if counts[severity]]
    names = list(dict.fromkeys(clean(d.span.source.name) for d in diagnostics))
    where = names[0] if len(names) == 1 else f"{len(names)} files"
    return f"{', '.join(said)} in {where}"


def _counted(count: int, severity: Severity) -> str:
    return f"{count} {severity}" + ("" if count == 1 else "s")


def _one(diagnostic: Diagnostic, color: bool, width: int) -> str:
    style = Style(color, diagnostic.severity)
    gutter = len(str(_last_line(diagnostic)))
    room = max(width - gutter - 3, _LEAST)
    first = diagnostic.span.first
    name = clean(diagnostic.span.source.name)
    lines = [
        style.main(f"{diagnostic.severity}[{diagnostic.code}]")
        + style.bold(f": {clean(diagnostic.message)}"),
        f"{' ' * gutter}{style.frame('-->')} {name}:{first.line}:{first.column}",
    ]
    lines += _excerpts(diagnostic, gutter, room, style)
    if diagnostic.fix is not None:
        lines += _fix(diagnostic.fix, gutter, room, style)
    lines += [f"{style.bold('note')}: {clean(note)}" for note in diagnostic.notes]
    return "\n".join(lines)


def _last_line(diagnostic: Diagnostic) -> int:
    spans = [diagnostic.span, *(related.span for related in diagnostic.related)]
    if diagnostic.fix is not None and diagnostic.fix.span is not None:
        spans.append(diagnostic.fix.span)
    return max(span.last.line for span in spans) + 1


def _excerpts(diagnostic: Diagnostic, gutter: int, room: int, style: Style) -> list[str]:
    marks: dict[Source, list[Mark]] = {
        diagnostic.span.source: [Mark(diagnostic.span, diagnostic.label, main=True)]
    }
    for related in diagnostic.related:
        mark = Mark(related.span, related.message, main=False)
        marks.setdefault(related.span.source, []).append(mark)
    lines: list[str] = []
    for source, group in marks.items():
        if source is not diagnostic.span.source:
            place = group[0].span.first
            name = clean(source.name)
            lines.append(f"{' ' * gutter}{style.frame('-->')} {name}:{place.line}:{place.column}")
        lines += excerpt(source, group, gutter, room, style)
    return lines


def _fix(fix: Fix, gutter: int, room: int, style: Style) -> list[str]:
    """The help line and, where the fix is an edit, the lines as they would be."""
    lines = [f"{style.bold('help')}: {clean(fix.message)}"]
    if fix.span is None or fix.replacement is None:
        return lines
    lines.append(style.frame(" " * gutter + " |"))
    before, after = _around(fix.span)
    edited = (before + fix.replacement + after).split("\n")
    first = fix.span.first.line
    marked = len(before)
    for at, text in enumerate(edited[:_MOST_LINES]):
        shown = cells(text)
        start, stop = cut(shown, marked if at == 0 else 0, room)
        cut_text = (
            ("…" if start else "") + "".join(shown[start:stop]) + ("…" if stop < len(shown) else "")
        )
        lines.append(numbered(first + at, style.good(cut_text), gutter, style))
    return lines


def _around(span: Span) -> tuple[str, str]:
    """What stands before a span on its first line, and behind it on its last."""
    source = span.source
    start = source.line_starts[span.first.line - 1]
    return source.text[start : span.start], _rest_of_line(source, span.end)


def _rest_of_line(source: Source, at: int) -> str:
    end = source.text.find("\n", at)
    return (source.text[at:] if end < 0 else source.text[at:end]).removesuffix("\r")
