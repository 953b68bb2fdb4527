"""The nodes of strings: their texts with escapes and indentation resolved, their holes."""

from __future__ import annotations

from typing import Any

from tidelang import syntax
from tidelang.diagnostics import Diagnostic, Fix, Related
from tidelang.lexing.token import Token
from tidelang.literals import dedent, unescape, unescape_long
from tidelang.source import Source, Span

Children = list[Any]


class StringBuilder:
    """The part of the builder that makes strings, and its way to tell problems."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []

    def string(self, c: Children) -> syntax.String:
        token = c[0]
        text, start, end = token.text, token.start, token.end
        source = self.source
        span = Span(source, start, end)
        if text.startswith('"""'):
            return self.long([Token("TEXT", text[3:-3], start + 3, end - 3)], span, raw=False)
        value = text[1:-1]
        if not value:
            return syntax.String((), False, span)
        if "\\" in value:
            value = self.unescaped(value, start + 1)
        return syntax.String((syntax.Text(value, Span(source, start + 1, end - 1)),), False, span)

    def raw(self, c: Children) -> syntax.String:
        token = c[0]
        span = self.at(token)
        width = 3 if token.text.startswith('r"""') else 1
        inside = Token(
            "TEXT", token.text[1 + width : -width], token.start + 1 + width, token.end - width
        )
        if width == 3:
            return self.long([inside], span, raw=True)
        parts = (syntax.Text(inside.text, self.at(inside)),) if inside.text else ()
        return syntax.String(parts, True, span)

    def hole(self, c: Children) -> syntax.Hole:
        return syntax.Hole(c[1], Span(self.source, c[0].start, c[2].end))

    def template(self, c: Children) -> syntax.String:
        opening, parts = c[0], c[1]
        span = Span(self.source, opening.start, c[2].end)
        if opening.text == '"""':
            return self.long(parts, span, raw=False)
        return syntax.String(
            tuple(part if isinstance(part, syntax.Hole) else self.text(part) for part in parts),
            False,
            span,
        )

    def text(self, token: Token) -> syntax.Text:
        return syntax.Text(self.unescaped(token.text, token.start), self.at(token))

    def unescaped(self, text: str, start: int) -> str:
        value, wrong = unescape(text)
        for problem in wrong:
            span = Span(self.source, start + problem.start, start + problem.end)
            fix = Fix(f"write `{problem.better}`", span, problem.better)
            notes = ('in `r"…"` a backslash stands for itself, in `"""…"""` too',)
            self.problem("T004", problem.message, span, fix=fix, notes=notes)
        return value

    def long(self, parts: list[Token | syntax.Hole], span: Span, *, raw: bool) -> syntax.String:
        """A string in three quotes."""
        dedented = dedent([part.text if isinstance(part, Token) else None for part in parts])
        if dedented.mixed is not None:
            self.tell_mixed(parts, dedented.mixed, span)
        out: list[syntax.Text | syntax.Hole] = []
        for part, text in zip(parts, dedented.parts, strict=True):
            if isinstance(part, syntax.Hole):
                out.append(part)
            elif text:
                value = text if raw else unescape_long(text)
                out.append(syntax.Text(value, self.at(part)))
        return syntax.String(tuple(out), raw, span)

    def tell_mixed(
        self, parts: list[Token | syntax.Hole], place: tuple[int, int], span: Span
    ) -> None:
        self.problem(
            "T025",
            "tabs and spaces are mixed in the indentation of this string",
            self.placed(parts, place),
            label="indented otherwise than the lines before",
            related=(Related(Span(self.source, span.start, span.start + 3), "in this string"),),
            fix=Fix("indent all its lines alike"),
        )

    def placed(self, parts: list[Token | syntax.Hole], place: tuple[int, int]) -> Span:
        """A place counted in the joined parts (a hole counts 1, `\\r\\n` counts 1), in the
        source."""
        at = 0
        for part in parts:
            length = len(part.text.replace("\r\n", "\n")) if isinstance(part, Token) else 1
            if isinstance(part, Token) and at <= place[0] < at + length:
                lines = part.text.replace("\r\n", "\n")[: place[0] - at].count("\n")
                shift = part.start + place[0] - at
                shift += sum(1 for line in part.text.split("\n")[:lines] if line.endswith("\r"))
                return Span(self.source, shift, shift + place[1] - place[0])
            at += length
        first = parts[0]
        return first.span if isinstance(first, syntax.Hole) else self.at(first)

    # --- helpers of every builder ------------------------------------------------------------

    def at(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def problem(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        related: tuple[Related, ...] = (),
        fix: Fix | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.problems.append(Diagnostic(code, message, span, label, related, fix, notes))
