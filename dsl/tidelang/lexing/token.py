"""A token: a terminal of the grammar and where it stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Token:
    """`type` is the name of a terminal in `grammar.lark` (lark's engine reads it), or,
    before the layout, `NL` or `SEMI`. Not frozen: that would cost a file of 55,000 tokens
    more than reading it. Nothing changes one once it is made."""

    type: str
    text: str
    start: int
    end: int


OPENERS = {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB", "HOLE": "UNHOLE"}
"""What opens, and what closes it."""

CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

SIGNS = {
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "HOLE": "{{",
    "UNHOLE": "}}",
}
"""How the brackets are written."""
