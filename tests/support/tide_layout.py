"""Layout at random: every space, line end, comma and comment that a text may have.

Parts of a text are functions, called in the order of the text: where they stand decides
whether a line may end in them. `random` is anything with the methods of `random.Random`;
hypothesis has one that shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import TypeVar

Part = Callable[[], str]
T = TypeVar("T")


class Layout:
    """`comments` are those written so far, in order; each is the only one of its text."""

    def __init__(self, random: Random, *, plain: bool = False) -> None:
        self.random = random
        self.plain = plain
        """Without comments, and as most people write."""
        self.comments: list[str] = []
        self.joined = False
        """Whether line ends mean nothing here: in round and square brackets and holes."""
        self.one_line = False
        """Whether no line may end here: in a hole of a string that ends on its line."""

    # --- chance ---------------------------------------------------------------------------

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.random.randrange(len(choices))]

    def maybe(self, one_in: int = 2) -> bool:
        return self.random.randrange(one_in) == 0

    def several(self, most: int, least: int = 0) -> range:
        return range(self.random.randrange(least, most + 1))

    # --- white space ------------------------------------------------------------------------

    def gap(self, *, needed: bool = False) -> str:
        """What stands between two words; `needed` where they would grow together."""
        if self.plain:
            return " "
        if self.joined and not self.one_line and self.maybe(6):
            return self.blank() + self.line_end() + self.blank()
        return self.one_of([" ", "  ", "\t", " \t", "\f "]) if needed or self.maybe() else ""

    def blank(self) -> str:
        return self.one_of(["", "", " ", "   ", "\t"])

    def line_end(self) -> str:
        """At least one line's end, with comments, or without."""
        return "".join(self.an_end() for _ in self.several(3, 1))

    def an_end(self) -> str:
        comment = self.comment() if not self.plain and self.maybe(3) else ""
        return self.blank() + comment + self.one_of(["\n", "\n", "\n", "\r\n"])

    def comment(self) -> str:
        told = self.one_of(["", " why", ' "', " {{ }", " (", " \t\u00e9", " \\", " }"])
        text = f"#c{len(self.comments)}{told}"
        self.comments.append(text)
        return text + self.blank()

    # --- brackets ---------------------------------------------------------------------------

    @contextmanager
    def within(self, *, joined: bool, one_line: bool = False) -> Iterator[None]:
        before = self.joined, self.one_line
        self.joined, self.one_line = joined, self.one_line or one_line
        yield
        self.joined, self.one_line = before

    def words(self, *parts: str | Part) -> str:
        """Words in a row, with what keeps them apart."""
        out = ""
        for at, part in enumerate(parts):
            gap = self.gap(needed=True) if at else ""
            out += gap + (part if isinstance(part, str) else part())
        return out

    def signs(self, *parts: str | Part) -> str:
        """Words and signs in a row, which need no space."""
        out = ""
        for at, part in enumerate(parts):
            gap = self.gap() if at else ""
            out += gap + (part if isinstance(part, str) else part())
        return out

    def brackets(self, opener: str, parts: Sequence[Part], *, comma: bool = True) -> str:
        """`( )` or `[ ]`; `comma`: one may stand behind the last part."""
        with self.within(joined=True):
            out = opener + self.gap()
            for at, part in enumerate(parts):
                out += part() + self.gap()
                if at < len(parts) - 1 or (comma and self.maybe(3)):
                    out += "," + self.gap()
        return out + {"(": ")", "[": "]"}[opener]

    def braces(self, items: Sequence[Part]) -> str:
        with self.within(joined=False):
            lines = not self.one_line
            out = "{" + (self.line_end() if lines and self.maybe() else self.blank())
            out += self.items(items)
            return out + (self.line_end() if lines and items and self.maybe() else "") + "}"

    def items(self, items: Sequence[Part]) -> str:
        """Items and what parts them."""
        out = ""
        for at, item in enumerate(items):
            out += self.blank() + item()
            if at < len(items) - 1:
                out += self.separator()
        return out + self.blank()

    def separator(self) -> str:
        if self.one_line:
            return self.blank() + self.one_of([",", ";"])
        if self.plain:
            return "\n"
        sign = self.blank() + self.one_of([",", ";"]) if self.maybe() else ""
        return sign + (self.line_end() if not sign or self.maybe() else "")
