"""Lark's LALR(1) engine, fed with our tokens, calling our builder.

Everything that knows lark's inner names is here and in `tables.py`.
"""

from __future__ import annotations

from typing import Any

from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_analysis import Reduce
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from tidelang.lexing.token import Token
from tidelang.parsing.build import Builder
from tidelang.parsing.tables import Tables

END_OF_FILE = "$END"


class Engine:
    """One parse. `states` and `values` are lark's two stacks: recovery cuts them."""

    def __init__(self, tables: Tables, builder: Builder) -> None:
        callbacks: dict[Any, Any] = {
            rule: getattr(builder, name, _only)
            for rule, name in zip(tables.rules, tables.names, strict=True)
        }
        self._rows = tables.table.states
        self._last = tables.table.end_states["file"]
        self._state: ParserState[int] = ParserState(
            ParseConf(tables.table, callbacks, "file"),
            None,  # type: ignore[arg-type]  # the lexer is asked for nothing
        )
        self.states: list[int] = self._state.state_stack
        self.values: list[Any] = self._state.value_stack

    def feed(self, tokens: list[Token], at: int) -> int:
        """Feed the tokens from `at` on; returns the place of the one that does not fit,
        or the number of tokens when all did."""
        feed_token: Any = self._state.feed_token
        try:
            while at < len(tokens):
                feed_token(tokens[at])
                at += 1
        except UnexpectedToken:
            pass
        return at

    def finish(self, end: Token) -> Any:
        """The file's node; None where the file may not end here."""
        try:
            return self._state.feed_token(end, is_end=True)  # type: ignore[arg-type]
        except UnexpectedToken:
            return None

    def accepts(self, type_: str) -> bool:
        """Whether a token of this type could come next."""
        return self.accepts_all((type_,))

    def accepts_all(self, types: tuple[str, ...], depth: int | None = None) -> bool:
        """Whether tokens of these types could come next, in turn (from the lowest `depth`
        states of the stack, where given). Nothing is built."""
        stack = self.states[:depth]
        return all(self._step(stack, type_) for type_ in types)

    def _step(self, stack: list[int], type_: str) -> bool:
        while True:
            found = self._rows[stack[-1]].get(type_)
            if found is None:
                return False
            action, arg = found
            if action is not Reduce:
                stack.append(arg)
                return True
            if arg.expansion:
                del stack[-len(arg.expansion) :]
            stack.append(self._rows[stack[-1]][arg.origin.name][1])
            if stack[-1] == self._last:
                return type_ == END_OF_FILE

    def expects(self, symbol: str, depth: int) -> bool:
        """Whether a `symbol` may begin right above the lowest `depth` states."""
        return symbol in self._rows[self.states[depth - 1]]

    def cut(self, depth: int) -> None:
        """Forget all above the lowest `depth` states."""
        del self.states[depth:]
        del self.values[depth - 1 :]


def _only(children: list[Any]) -> Any:
    """The value of a rule that only renames."""
    return children[0]
