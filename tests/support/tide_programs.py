"""Programs in Tide at random, for tests of whatever reads them.

    grammatical(random)    any items, in any layout; without a mistake of syntax
    meaningful(random)     compiles without errors, in any layout

`random` is anything with the methods of `random.Random`: `random.Random(seed)`, or
hypothesis' `st.randoms(use_true_random=False)`, which shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from random import Random
from typing import Any

from tide_grammar import Grammar
from tide_meaning import Meaning

from tidelang.source import Span


@dataclass(frozen=True)
class Program:
    """`comments`: as written, in order; no two are the same."""

    text: str
    comments: tuple[str, ...]


def grammatical(random: Random) -> Program:
    grammar = Grammar(random)
    text = grammar.file()
    return Program(text, tuple(grammar.comments))


def meaningful(random: Random, *, plain: bool = False) -> Program:
    """`plain`: without comments, laid out as most people would."""
    meaning = Meaning(random, plain=plain)
    text = meaning.file()
    return Program(text, tuple(meaning.comments))


def bare(node: Any) -> Any:
    """A tree, or any data, without the places in the text."""
    if isinstance(node, tuple):
        return tuple(bare(each) for each in node)
    if not is_dataclass(node):
        return type(node).__name__, node
    values = ((field.name, getattr(node, field.name)) for field in fields(node))
    kept = [(name, bare(value)) for name, value in values if not isinstance(value, Span)]
    return type(node).__name__, tuple(kept)
