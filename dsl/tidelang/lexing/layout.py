"""Which line ends and commas part items.

In a body or an object, and at the top of a file, a line's end, `,` and `;` become END,
repeated line ends one. Inside `( )`, `[ ]` and holes line ends go and `,` stays a COMMA.
Here, too, the depth of brackets and expressions is measured, once, for everything that
walks trees later.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidelang.lexing.token import CLOSERS, OPENERS, Token
from tidelang.limits import (
    BRACKETS,
    CHAIN,
    ITEMS,
    LimitError,
    too_deep,
    too_long_a_chain,
    too_many_items,
)
from tidelang.source import Source, Span

_PLAIN, _LINE, _COMMA, _SEMICOLON, _OPEN, _CLOSE, _OPERATOR = range(7)
_ROLES = {
    "NL": _LINE,
    "COMMA": _COMMA,
    "SEMI": _SEMICOLON,
    **dict.fromkeys(OPENERS, _OPEN),
    **dict.fromkeys(CLOSERS, _CLOSE),
    **dict.fromkeys(
        [
            "OR",
            "AND",
            "NOT",
            "EQ",
            "NE",
            "LT",
            "LE",
            "GT",
            "GE",
            "IN",
            "PLUS",
            "MINUS",
            "STAR",
            "SLASH",
            "PERCENT",
            "DOT",
            "VBAR",
            "IF",
        ],
        _OPERATOR,
    ),
}
_NO_END_BEHIND = ("END", "LBRACE")


def lay_out(  # noqa: C901 - one pass over every token: calls would cost more than it
    source: Source, tokens: Sequence[Token]
) -> list[Token] | None:
    """The tokens for the grammar; None where brackets do not match (`balance` then says
    why and mends it).

    Raises LimitError where something is too deep, or the file has too many items."""
    laid: list[Token] = []
    add = laid.append
    role_of = _ROLES.get
    open_: list[tuple[str, int]] = []
    closer, parts_items = "", True
    depth = items = 0
    last = "END"
    for token in tokens:
        last_type, last = last, token.type
        role = role_of(last, _PLAIN)
        if role == _PLAIN:
            add(token)
        elif role == _LINE:
            if parts_items and last_type not in _NO_END_BEHIND:
                add(Token("END", "\n", token.start, token.end))
                depth = open_[-1][1] if open_ else 0
                items += 1
            last = "END" if parts_items and last_type != "LBRACE" else last_type
        elif role == _OPERATOR:
            add(token)
            depth += 1
            if depth > CHAIN:
                raise LimitError(too_long_a_chain(_span(source, token)))
        elif role == _OPEN:
            add(token)
            if len(open_) >= BRACKETS:
                raise LimitError(too_deep(_span(source, token)))
            depth += 1
            if depth > CHAIN:
                raise LimitError(too_long_a_chain(_span(source, token)))
            open_.append((last, depth))
            closer, parts_items = OPENERS[last], last == "LBRACE"
        elif role == _CLOSE:
            if last != closer:
                return None
            add(token)
            depth = open_.pop()[1]
            outer = open_[-1][0] if open_ else ""
            closer, parts_items = OPENERS.get(outer, ""), outer in ("", "LBRACE")
        else:
            depth = open_[-1][1] if open_ else 0
            if parts_items:
                items += 1
                last = "END"
                add(Token("END", token.text, token.start, token.end))
            else:
                add(token)
    if open_:
        return None
    if items > ITEMS:
        raise LimitError(too_many_items(Span(source, 0, 0)))
    return laid


def _span(source: Source, token: Token) -> Span:
    return Span(source, token.start, token.end)
