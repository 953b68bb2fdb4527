"""From characters to tokens, before anyone knows which line ends matter.

The scanner finds words, numbers, signs, comments and strings. A string with holes comes
out in pieces (QUOTE TEXT HOLE … UNHOLE TEXT UNQUOTE), with the hole's own tokens between;
a stack of frames keeps track, so that strings may stand in holes in strings.

What other languages write (`'…'`, `&&`, `//`) is told and read as what was meant: see
`slips.py`. Escapes and indentation are `tidelang.literals`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidelang.diagnostics import Diagnostic, Fix, Related
from tidelang.lexing import slips
from tidelang.lexing.numbers import NumberError, kind
from tidelang.lexing.runaway import first_unclosed, meant_end, opens_another
from tidelang.lexing.token import Token
from tidelang.limits import BRACKETS, STRING_CHARACTERS, LimitError, too_deep
from tidelang.source import Source, Span

_TOKEN = re.compile(
    r"""[ \t\r\f]*(?:\#[^\n]*)?(?:
      (?P<QUOTE>r?"{3}|r")
    | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<NL>\n)
    | (?P<STRING>"[^"\\\n{]{0,9999}"(?!"))
    | (?P<SIGN>==|!=|<=|>=|\.\.|&&|\|\||//|/\*|[{}()\[\]=:,.|<>+\-*/%;])
    | (?P<NUMBER>[0-9][0-9A-Za-z_]*(?:\.[0-9][0-9A-Za-z_]*)*)
    | (?P<LINE>")
    | (?P<END>\Z)
    | (?P<OTHER>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_LINE_STOP = re.compile(r'\\(?:\{\{|.)|\{\{|"|\n')
_LONG_STOP = re.compile(r'\\(?:\{\{|""")|\{\{|"""(?!")', re.DOTALL)
_RETURNS = 5
_CLOSED_LATER = re.compile(r'[^"\n]*\}\}')
_RAW_LINE_STOP = re.compile(r'"|\n')
_RAW_LONG_STOP = re.compile(r'"""(?!")')


@dataclass(slots=True)
class _Frame:
    """An open hole: the string it stands in, and the braces opened within it."""

    opening: Token
    hole: Token
    braces: int = 0


class Scanner:
    """Reads one source, once. `words` and `signs` say which text is which terminal."""

    def __init__(self, source: Source, words: Mapping[str, str], signs: Mapping[str, str]) -> None:
        self.source = source
        self.text = source.text
        self.words = {**words, **slips.CONSTANTS}
        self.signs = {**signs, ";": "SEMI"}
        self.tokens: list[Token] = []
        self.frames: list[_Frame] = []
        self.problems: list[Diagnostic] = []
        self.returns = 0

    def run(self) -> list[Token]:  # noqa: C901 - the hot loop: a branch costs less than a call
        """All tokens. `problems` then holds what is wrong with them."""
        text, match, append = self.text, _TOKEN.match, self.tokens.append
        words, signs = self.words, self.signs
        at = 1 if text.startswith("\ufeff") else 0
        while True:
            # The pattern matches everywhere, and always by one of its groups.
            found: re.Match[str] = match(text, at)  # type: ignore[assignment]
            group: str = found.lastgroup  # type: ignore[assignment]
            start, at = found.span(group)
            word = text[start:at]
            if group == "NAME":
                append(Token(words.get(word, "NAME"), word, start, at))
            elif group == "SIGN":
                if self.frames and word in "{}":
                    at = self.brace(word, start)
                elif word in signs:
                    append(Token(signs[word], word, start, at))
                else:
                    at = slips.foreign_sign(self, word, start)
            elif group == "STRING":
                append(Token("STRING", word, start, at))
            elif group == "NL":
                if self.frames:
                    self.line_end_in_hole(start)
                append(Token("NL", word, start, at))
            elif group == "NUMBER":
                append(
                    Token(
                        "NUMBER"
                        if word.isdigit() and at - start < 16
                        else self.number(word, start),
                        word,
                        start,
                        at,
                    )
                )
            elif group == "END":
                self.close_frames(start)
                return self.tokens
            elif group == "OTHER":
                at = slips.foreign_character(self, word, start)
            else:
                at = self.string(Token("QUOTE", word, start, at))

    # --- numbers ---------------------------------------------------------------------

    def number(self, word: str, start: int) -> str:
        try:
            return kind(word)
        except NumberError as error:
            span = self.span(start, start + len(word))
            fix = Fix(f"write `{error.better}`", span, error.better) if error.better else None
            self.problem("T023", error.message, span, fix=fix)
            return "BROKEN"

    # --- strings ---------------------------------------------------------------------

    def string(self, opening: Token) -> int:
        """Reads a string from behind its opening quotes; at a hole, up to the hole."""
        if opening.text.startswith("r"):
            return self.raw(opening)
        stop, at = self.stop(opening, opening.end)
        if at < 0:
            return self.unclosed(opening, -at)
        if stop == "{{":
            self.tokens.append(opening)
            return self.open_hole(opening, opening.end, at)
        if self.is_unclosed(opening, at):
            return self.cut_at_item(opening.start)
        self.measure(opening, at + len(stop))
        return self.whole("STRING", opening, at + len(stop))

    def stop(self, opening: Token, at: int) -> tuple[str, int]:
        """Where the text of a string stops, and on what; minus the place where the string
        breaks off, when nothing closes it."""
        search = (_LINE_STOP if opening.text == '"' else _LONG_STOP).search
        while True:
            found = search(self.text, at)
            if found is None or found[0] == "\n":
                return "", -(found.start() if found else len(self.text))
            if found[0][0] != "\\":
                return found[0], found.start()
            at = found.end()

    def raw(self, opening: Token) -> int:
        search = (_RAW_LINE_STOP if opening.text == 'r"' else _RAW_LONG_STOP).search
        found = search(self.text, opening.end)
        if found is None or found[0] == "\n":
            return self.unclosed(opening, found.start() if found else len(self.text))
        if self.is_unclosed(opening, found.start()):
            return self.cut_at_item(opening.start)
        self.measure(opening, found.end())
        return self.whole("RAW", opening, found.end())

    def whole(self, type_: str, opening: Token, end: int) -> int:
        self.tokens.append(Token(type_, self.text[opening.start : end], opening.start, end))
        return end

    def measure(self, opening: Token, end: int) -> None:
        if end - opening.start > STRING_CHARACTERS:
            self.problem(
                "T092",
                f"this string is longer than {STRING_CHARACTERS:,} characters",
                self.span(opening.start, opening.end),
            )

    # --- holes -----------------------------------------------------------------------

    def open_hole(self, opening: Token, begin: int, at: int) -> int:
        self.piece(begin, at)
        hole = Token("HOLE", "{{", at, at + 2)
        self.tokens.append(hole)
        if len(self.frames) >= BRACKETS:
            raise LimitError(too_deep(self.span(at, at + 2)))
        self.frames.append(_Frame(opening, hole))
        return at + 2

    def piece(self, start: int, end: int) -> None:
        if start < end:
            self.tokens.append(Token("TEXT", self.text[start:end], start, end))

    def brace(self, sign: str, start: int) -> int:
        """A brace within a hole: its end, or one of an object's."""
        frame = self.frames[-1]
        if sign == "}" and frame.braces == 0 and self.text.startswith("}}", start):
            self.frames.pop()
            self.tokens.append(Token("UNHOLE", "}}", start, start + 2))
            return self.after_hole(frame.opening, start + 2)
        if sign == "}" and frame.braces == 0 and not _CLOSED_LATER.match(self.text, start + 1):
            return self.half_closed(frame, start)
        frame.braces += 1 if sign == "{" else -1 if frame.braces else 0
        self.tokens.append(Token(self.signs[sign], sign, start, start + 1))
        return start + 1

    def half_closed(self, frame: _Frame, start: int) -> int:
        """`{{ x }`: one brace where two close a hole."""
        self.frames.pop()
        self.tokens.append(Token("UNHOLE", "}", start, start + 1))
        span = self.span(start, start + 1)
        related = (Related(self.span(frame.hole.start, frame.hole.end), "opened here"),)
        fix = Fix("close it with `}}`", span, "}}")
        self.problem(
            "T005", "a hole is closed with `}}`", span, label="one `}`", related=related, fix=fix
        )
        return self.after_hole(frame.opening, start + 1)

    def after_hole(self, opening: Token, begin: int) -> int:
        stop, at = self.stop(opening, begin)
        if at < 0 and opening.text == '"""' and not self.frames:
            return self.run_away(opening)
        if at < 0:
            self.close_cut(begin, -at)
            self.tell_unclosed(opening, -at)
            return -at
        if stop == "{{":
            return self.open_hole(opening, begin, at)
        if self.is_unclosed(opening, at):
            return self.cut_at_item(opening.start)
        end = at + len(stop)
        self.piece(begin, at)
        self.tokens.append(Token("UNQUOTE", stop, at, end))
        self.measure(opening, end)
        return end

    def close_cut(self, begin: int, end: int) -> None:
        self.piece(begin, end)
        self.tokens.append(Token("UNQUOTE", "", end, end))

    # --- strings and holes that nothing closes ------------------------------------------

    def line_end_in_hole(self, at: int) -> None:
        """A line's end breaks off the innermost string that must close on its line, and
        every string inside it."""
        for index, frame in enumerate(self.frames):
            if frame.opening.text == '"':
                self.cut(index, at)
                return

    def close_frames(self, at: int) -> None:
        if self.frames:
            self.cut(0, at)

    def cut(self, index: int, at: int) -> None:
        """Close the frames from `index` on; one mistake, of the innermost hole."""
        hole, opening = self.frames[-1].hole, self.frames[-1].opening
        if self.text.startswith("\r", at - 1):
            at -= 1
        for _ in self.frames[index:]:
            self.tokens += [Token("UNHOLE", "", at, at), Token("UNQUOTE", "", at, at)]
        del self.frames[index:]
        span = self.span(hole.start, hole.end)
        self.problem(
            "T005",
            "this hole is never closed",
            span,
            label="opened here",
            related=(Related(self.span(opening.start, opening.end), "in this string"),),
            fix=Fix("close it with `}}`, or write `\\{{` for two braces as they are"),
        )

    def unclosed(self, opening: Token, end: int) -> int:
        if opening.text.endswith('"""') and not self.frames:
            return self.run_away(opening)
        self.tokens.append(Token("BROKEN", self.text[opening.start : end], opening.start, end))
        self.tell_unclosed(opening, end)
        return end

    def is_unclosed(self, opening: Token, close: int) -> bool:
        """Whether what closes a long string was to open the next."""
        long = opening.text.endswith('"""') and not self.frames
        return long and opens_another(self.text, opening.start, close)

    def run_away(self, opening: Token) -> int:
        """A string that ends with the file: back to where the one that is not closed was
        meant to end, a few times at most, since what is behind it is read again."""
        start = opening.start
        if self.returns < _RETURNS:
            self.returns += 1
            start = first_unclosed(self.text, self.tokens, start)
        return self.cut_at_item(start)

    def cut_at_item(self, start: int) -> int:
        """Ends the long string that opens here before the item that follows it."""
        quotes = 4 if self.text[start] == "r" else 3
        while self.tokens and self.tokens[-1].start >= start:
            self.tokens.pop()
        while self.problems and self.problems[-1].span.start >= start:
            self.problems.pop()
        end = meant_end(self.text, start)
        opening = Token("QUOTE", self.text[start : start + quotes], start, start + quotes)
        self.tokens.append(Token("BROKEN", self.text[start:end], start, end))
        self.tell_unclosed(opening, end)
        return end

    def tell_unclosed(self, opening: Token, end: int) -> None:
        quotes = opening.text.removeprefix("r")
        if quotes == '"':
            if any(frame.opening.text == '"' for frame in self.frames):
                return  # The hole around it is told, at the line's end.
            line = self.text[opening.start : end].rstrip()
            place = opening.start + len(line)
            self.problem(
                "T003",
                "this string is not closed on its line",
                self.span(opening.start, place),
                label='`"` is missing',
                fix=Fix('close it with `"`', self.span(place, place), '"'),
                notes=('a string of several lines is written `"""…"""`',),
            )
        else:
            self.problem(
                "T003",
                "this string is never closed",
                self.span(opening.start, opening.end),
                label="opened here",
                fix=Fix(f"close it with `{quotes}`"),
            )

    # --- telling ----------------------------------------------------------------------

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

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
