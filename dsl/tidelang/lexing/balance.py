"""Mending brackets that do not match, so that one slip stays one mistake.

Runs only where the layout found that they do not. It tells each bracket that is missing
or too many, once, puts in the missing ones (tokens without text) and leaves the others
out; the rest of the file is then read as its writer meant it. Where several readings are
possible, indentation decides: people indent right what they bracket wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tidelang.diagnostics import Diagnostic, Fix, Related
from tidelang.lexing.token import CLOSERS, OPENERS, SIGNS, Token
from tidelang.limits import MISTAKES
from tidelang.source import Source, Span

_HEADS = frozenset({"LET", "PARAM", "PIPELINE", "STEP", "TASK", "IMPORT", "OUTPUT"})
_GOES_ON = frozenset({"COMMA", "LPAR", "LSQB", "EQUAL", "NL"})
_AWAITS = frozenset(
    {"EQUAL", "COMMA", "PLUS", "MINUS", "STAR", "SLASH", "VBAR", "OR", "AND", "NOT"}
)
"""Behind these a bracket that is left out was all that the value had."""


@dataclass(frozen=True, slots=True)
class Balanced:
    tokens: list[Token]
    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    """An open bracket, and how far the line it stands in is indented."""

    token: Token
    indent: int


def balance(source: Source, tokens: Sequence[Token]) -> Balanced:
    """The tokens with brackets that match, and what had to be mended."""
    missing, extra = _braces(tokens)
    balancer = _Balancer(source, tokens, missing, extra)
    balancer.run()
    return Balanced(balancer.out, tuple(balancer.problems))


def _braces(tokens: Sequence[Token]) -> tuple[int, int]:
    """How many `}` are missing at the end, and how many too many on the way."""
    open_ = extra = 0
    for token in tokens:
        if token.type == "LBRACE":
            open_ += 1
        elif token.type == "RBRACE":
            extra += open_ == 0
            open_ = max(open_ - 1, 0)
    return open_, extra


def open_brace_at(source: Source, tokens: Sequence[Token], indent: int) -> int | None:
    """Where, among the tokens before a `}`, the `{` is missing that it closes: at the end of
    the last line that is indented like it, where that line has no brace and declares or
    names a body. It does not look far, so that many such `}` cost little."""
    end = None
    for at in range(len(tokens) - 1, max(-1, len(tokens) - _LOOKS_BACK), -1):
        if tokens[at].type == "NL":
            end = at
        elif at == 0 or tokens[at - 1].type == "NL":
            found = _indent(source, tokens[at])
            if found <= indent:
                line = [token.type for token in tokens[at:end]]
                return end if found == indent and _is_head(line) else None
    return None


_LOOKS_BACK = 2_000


def _indent(source: Source, token: Token) -> int:
    return token.start - source.text.rfind("\n", 0, token.start) - 1


def _is_head(line: Sequence[str]) -> bool:
    """`step x for v in xs`, `defaults`, `executor docker`; no attribute, no brace."""
    if "LBRACE" in line or "RBRACE" in line:
        return False
    return line[0] in _BODIES or (line[0] == "NAME" and set(line) <= _LABELS)


_BODIES = frozenset({"PIPELINE", "STEP", "TASK", "PARAM"})
_LABELS = frozenset({"NAME", "STRING", "DURATION"})


@dataclass(slots=True)
class _Balancer:
    source: Source
    tokens: Sequence[Token]
    missing: int
    extra: int
    out: list[Token] = field(default_factory=list)
    open_: list[_Open] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    end: int = 0
    """Where the last token that is no line end ended."""
    broken_off: int = -1
    """Where the last string broke off that was not closed on its line."""

    def run(self) -> None:
        indent, starts_line = 0, True
        line_start = 0
        for at, token in enumerate(self.tokens):
            if token.type == "NL":
                starts_line, line_start = True, token.end
                self.out.append(token)
                continue
            if starts_line:
                indent = token.start - line_start
                self.line_begins(at, indent)
            if token.type in OPENERS:
                self.open_.append(_Open(token, indent))
                self.out.append(token)
            elif token.type in CLOSERS:
                self.close(token, indent, starts_line)
            else:
                self.out.append(token)
            if token.type in ("UNHOLE", "BROKEN") and token.text[:1] in ("", '"'):
                self.broken_off = token.end
            starts_line = False
            self.end = token.end
        while self.open_:
            self.close_missing()

    # --- what a line's first token tells ------------------------------------------------

    def line_begins(self, at: int, indent: int) -> None:
        """A line that begins an item closes the brackets that cannot hold one; a line
        further out than a body closes the body, if a `}` is missing at all."""
        if self.begins_item(at):
            while self.open_ and self.open_[-1].token.type in ("LPAR", "LSQB"):
                self.close_missing()
        while self.missing and self.left_behind(self.tokens[at], indent):
            self.close_missing()
            self.missing -= 1

    def begins_item(self, at: int) -> bool:
        token = self.tokens[at]
        if not self.open_ or self.open_[-1].token.type not in ("LPAR", "LSQB"):
            return False
        if token.type in _HEADS:
            return True
        after = self.tokens[at + 1].type if at + 1 < len(self.tokens) else ""
        if token.type != "NAME" or after not in ("EQUAL", "LBRACE"):
            return False
        before = next((t.type for t in reversed(self.out) if t.type != "NL"), "NL")
        named = self.open_[-1].token.type == "LPAR" and after == "EQUAL"
        return not (named and before in _GOES_ON)

    def left_behind(self, token: Token, indent: int) -> bool:
        """Whether the innermost body was meant to be closed before this line."""
        if not self.open_ or self.open_[-1].token.type != "LBRACE":
            return False
        inner = self.open_[-1].indent
        if token.type == "RBRACE":
            return indent < inner and any(open_.indent == indent for open_ in self.open_[:-1])
        return indent <= inner

    # --- closing ----------------------------------------------------------------------------

    def close(self, token: Token, indent: int, starts_line: bool) -> None:
        opener = CLOSERS[token.type]
        if token.type == "RBRACE" and self.extra and starts_line and self.misplaced(indent):
            self.extra -= 1
            self.too_many(token, indent)
            return
        while self.open_ and self.open_[-1].token.type != opener:
            if not self.within_reach(opener):
                self.wrong(token)
                return
            self.close_missing()
        if not self.open_:
            self.leave_out(token)
            return
        self.open_.pop()
        self.out.append(token)

    def too_many(self, token: Token, indent: int) -> None:
        """A `}` on a line of its own that closes nothing: it closes what stands above it,
        indented alike, if that looks like the head of a body. Of mistakes that are not told
        any more nobody needs to know what was meant."""
        told = len(self.problems) < MISTAKES
        at = open_brace_at(self.source, self.out, indent) if told else None
        if at is None:
            self.leave_out(token)
            return
        end = self.out[at - 1].end
        self.out[at:at] = [Token("LBRACE", "", end, end)]
        self.out.append(token)
        place = Span(self.source, end, end)
        self.problems.append(
            Diagnostic(
                "T007",
                "a `{` is missing",
                place,
                label="`{` is missing behind this",
                related=(Related(self.span(token), "which this closes"),),
                fix=Fix("open it with `{`", place, " {"),
            )
        )

    def misplaced(self, indent: int) -> bool:
        braces = [open_ for open_ in self.open_ if open_.token.type == "LBRACE"]
        return not braces or braces[-1].indent != indent

    def within_reach(self, opener: str) -> bool:
        """Whether such an opener is open, with nothing in between that reaches further:
        `)` and `]` close nothing outside their braces, and only `}}` ends a hole."""
        for open_ in reversed(self.open_):
            type_ = open_.token.type
            if type_ == opener:
                return True
            if type_ == "HOLE" or (type_ == "LBRACE" and opener in ("LPAR", "LSQB")):
                return False
        return False

    def wrong(self, token: Token) -> None:
        """A closer for which nothing is open. Right behind `(` or `[` it was meant to
        close that; otherwise it goes."""
        inner = self.open_[-1].token
        if inner.type not in ("LPAR", "LSQB") or token.type not in ("RPAR", "RSQB"):
            self.leave_out(token)
            return
        sign = SIGNS[OPENERS[inner.type]]
        self.problems.append(
            Diagnostic(
                "T008",
                f"`{inner.text}` is closed by `{sign}`, not by `{token.text}`",
                self.span(token),
                related=(Related(self.span(inner), "opened here"),),
                fix=Fix(f"write `{sign}`", self.span(token), sign),
            )
        )
        self.open_.pop()
        self.out.append(Token(OPENERS[inner.type], token.text, token.start, token.end))

    def leave_out(self, token: Token) -> None:
        """What awaits a value is near: looking back over every line end would take longer
        the more is left out."""
        before = next((t.type for t in self.out[:-5:-1] if t.type != "NL"), "")
        if before in _AWAITS:
            self.out.append(Token("BROKEN", token.text, token.start, token.end))
        self.problems.append(
            Diagnostic(
                "T008",
                f"there is nothing for this `{token.text}` to close",
                self.span(token),
                fix=Fix("take it out", self.span(token), ""),
            )
        )

    def close_missing(self) -> None:
        """Close the innermost bracket behind the last token that was read."""
        opening = self.open_.pop().token
        closer = OPENERS[opening.type]
        sign = SIGNS[closer]
        if not self.swallowed(opening):
            self.problems.append(self.no_brace(opening) if sign == "}" else self.unclosed(opening))
        missing = Token(closer, "", self.end, self.end)
        at = len(self.out)
        while at and self.out[at - 1].type == "NL":
            at -= 1
        self.out[at:at] = [missing]

    def swallowed(self, opening: Token) -> bool:
        """Whether the closing bracket is likely in a string that broke off on that line."""
        return (
            opening.start < self.broken_off
            and "\n" not in self.source.text[opening.start : self.broken_off]
        )

    def unclosed(self, opening: Token) -> Diagnostic:
        sign = SIGNS[OPENERS[opening.type]]
        place = Span(self.source, self.end, self.end)
        return Diagnostic(
            "T006",
            f"this `{opening.text}` is never closed",
            self.span(opening),
            label="opened here",
            related=(Related(place, f"`{sign}` is missing here"),),
            fix=Fix(f"close it with `{sign}`", place, sign),
        )

    def no_brace(self, opening: Token) -> Diagnostic:
        indent = self.indent_of(opening)
        place = Span(self.source, self.end, self.end)
        return Diagnostic(
            "T007",
            "a `}` is missing",
            place,
            label="`}` is missing behind this",
            related=(Related(self.span(opening), "to close this"),),
            fix=Fix("close it with `}`", place, f"\n{indent}}}"),
        )

    def indent_of(self, token: Token) -> str:
        line = self.source.text[: token.start].rpartition("\n")[2]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)
