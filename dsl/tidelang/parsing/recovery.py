"""Reading on after a mistake: one run tells every mistake, none of them twice.

Where lark's engine meets a token that does not fit, in this order:

1. A known slip (`repairs.py`) is told and mended in the tokens; nothing is lost.
2. Otherwise the smallest thing that holds the mistake is given up: the operand of the
   innermost bracket, comma or operator, then the item. Its tokens are skipped, up to
   where it ends at its own depth, and BROKEN stands for it.

What a broken token already told about is not told again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from tidelang import syntax
from tidelang.diagnostics import Diagnostic
from tidelang.lexing.token import CLOSERS, OPENERS, Token
from tidelang.limits import MISTAKES
from tidelang.parsing.build import Builder
from tidelang.parsing.engine import END_OF_FILE, Engine
from tidelang.parsing.tables import Tables
from tidelang.source import Source

_HOLDS = frozenset(
    [
        "EQUAL",
        "COMMA",
        "LPAR",
        "LSQB",
        "HOLE",
        "COLON",
        "IN",
        "IF",
        "ELSE",
        "VBAR",
        "OR",
        "AND",
        "NOT",
        "EQ",
        "NE",
        "LT",
        "LE",
        "GT",
        "GE",
        "PLUS",
        "MINUS",
        "STAR",
        "SLASH",
        "PERCENT",
    ]
)
"""Behind these an operand is missing, where one is."""


_NO_ITEM = frozenset(
    [
        "NUMBER",
        "STRING",
        "RAW",
        "QUOTE",
        "DURATION",
        "SIZE",
        "LPAR",
        "LSQB",
        "TRUE",
        "FALSE",
        "NULL",
        "NOT",
    ]
)
"""No item begins with these."""


class Hold(NamedTuple):
    """What a mistake is given up with: all above the lowest `depth` states. `open_` is
    how many brackets that leaves open. `item` is true where it is a whole item."""

    depth: int
    open_: int
    item: bool


class Recovery:
    """Reads the tokens of one file."""

    def __init__(self, source: Source, tables: Tables, builder: Builder) -> None:
        self.source = source
        self.engine = Engine(tables, builder)
        self.told: list[Diagnostic] = []

    def read(self, tokens: list[Token]) -> tuple[syntax.File, list[Diagnostic]]:
        """The file, and what was wrong between its tokens."""
        size = len(self.source.text)
        end = Token(END_OF_FILE, "", size, size)
        at = 0
        while True:
            at = self.engine.feed(tokens, at)
            if at == len(tokens):
                file = self.engine.finish(end)
                if file is not None:
                    return file, self.told
                tokens.append(end)
            if len(self.told) > MISTAKES:
                return self.stop(end), self.told
            at = self.mend(tokens, at)
            if tokens and tokens[-1] is end:
                del tokens[-1]

    def mend(self, tokens: list[Token], at: int) -> int:
        """Tell the mistake at `at` and make the engine ready to go on; returns where."""
        # Loaded for a file with mistakes only: starting is to stay cheap.
        from tidelang.parsing import repairs, wording

        silent = _is_told(tokens, at)
        if at and tokens[at - 1].type == "RBRACE" and self.engine.accepts("END"):
            # The item is whole; what follows its brace is not part of it.
            place = tokens[at - 1].end
            self.engine.feed([Token("END", "", place, place)], 0)
        scene = repairs.Scene(self.source, self.engine, tokens, at, self.item_depth())
        if not silent:
            repair = repairs.find(scene)
            if repair is not None:
                self.told.append(repair.diagnostic)
                if not repair.gives_up:
                    self.engine.cut(repair.depth)
                    tokens[repair.start : repair.end] = repair.tokens
                    return repair.start
                silent = True
        stop = tokens[at]
        if _goes_on(tokens, at):
            tokens[at] = replace(tokens[at], type="BROKEN")
        for hold in self.holds():
            until = self.end_of(hold, tokens, at)
            if until is None:
                continue
            if not silent:
                self.told.append(wording.unexpected(scene, hold.depth, stop))
            self.give_up(hold, tokens, at, until)
            return until
        raise AssertionError("an item can always be given up")

    def holds(self) -> Iterator[Hold]:
        """What could be given up, the smallest first; the item last."""
        values = self.engine.values
        open_ = closed = 0
        for depth in range(len(self.engine.states), 0, -1):
            if not closed and self.is_item(depth):
                yield Hold(depth, open_, item=True)
                return
            value = values[depth - 2]
            if not isinstance(value, Token):
                continue
            if value.type in CLOSERS:
                closed += 1
            elif closed:
                closed -= value.type in OPENERS
            else:
                if value.type in _HOLDS and self.engine.expects("BROKEN", depth):
                    yield Hold(depth, open_, item=False)
                open_ += value.type in OPENERS

    def item_depth(self) -> int:
        """The states below the item, or the entry of an object, that is being read."""
        *_, item = self.holds()
        return item.depth

    def is_item(self, depth: int) -> bool:
        return self.engine.expects("item", depth) or self.engine.expects("entry", depth)

    def end_of(self, hold: Hold, tokens: list[Token], at: int) -> int | None:
        """Where what is given up ends; None where that would not do."""
        open_ = hold.open_
        for place in range(at, len(tokens)):
            type_ = tokens[place].type
            if open_ == 0:
                if self.engine.accepts_all(("BROKEN", type_), hold.depth) and (
                    type_ in ("END", "COMMA", "LBRACE", "EQUAL", END_OF_FILE) or type_ in CLOSERS
                ):
                    return place
                if type_ in ("END", END_OF_FILE) or type_ in CLOSERS:
                    return None
            if type_ in OPENERS:
                open_ += 1
            elif type_ in CLOSERS:
                open_ -= 1
        fits = open_ == 0 and self.engine.accepts_all(("BROKEN", END_OF_FILE), hold.depth)
        return len(tokens) if fits else None

    def give_up(self, hold: Hold, tokens: list[Token], at: int, until: int) -> None:
        """BROKEN for all that is read above the hold and for the tokens up to `until`."""
        start = tokens[at].start if at < len(tokens) else len(self.source.text)
        first = self.engine.values[hold.depth - 1 :]
        if first:
            start = first[0].start if isinstance(first[0], Token) else _start(first[0], start)
        end = max(tokens[until - 1].end, start) if until else start
        self.engine.cut(hold.depth)
        self.engine.feed([Token("BROKEN", "", start, end)], 0)

    def stop(self, end: Token) -> syntax.File:
        """Read no further, since enough has been told: the file with its whole items."""
        depth = len(self.engine.states)
        while not self.engine.accepts_all((END_OF_FILE,), depth):
            depth -= 1
        self.engine.cut(depth)
        file: syntax.File = self.engine.finish(end)
        return file


def _is_told(tokens: list[Token], at: int) -> bool:
    """Whether this comes of something told before: a token that could not be read earlier
    in the same item, or a bracket that stands for a missing one."""
    if at < len(tokens) and not tokens[at].text and tokens[at].type != END_OF_FILE:
        return True
    for place in range(min(at, len(tokens) - 1), -1, -1):
        type_ = tokens[place].type
        if type_ == "BROKEN":
            return True
        if place < at and type_ in ("END", "LBRACE", "RBRACE"):
            return False
    return False


def _goes_on(tokens: list[Token], at: int) -> bool:
    """Whether this is a line's end in the middle of an expression that the next line goes
    on with: then that line belongs to the mistake."""
    if not 0 < at < len(tokens) - 1 or tokens[at].type != "END":
        return False
    return tokens[at - 1].type in _HOLDS and tokens[at + 1].type in _NO_ITEM


def _start(value: object, otherwise: int) -> int:
    if isinstance(value, list | tuple) and value:
        return _start(value[0], otherwise)
    span = getattr(value, "span", None)
    return span.start if span is not None else otherwise
