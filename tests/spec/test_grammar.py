"""The grammar in the reference derives the same files as the one that the parser reads.

Both are tried on every Tide text of the documents, on what the other one derives, and on
such sentences with a token or two changed: they must agree on which of those are files.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, UnexpectedInput
from lark.lexer import Lexer
from spec_tables import section

from tidelang.lexing.layout import lay_out
from tidelang.lexing.scan import Scanner
from tidelang.limits import LimitError
from tidelang.source import Source

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/language.md").read_text()
REAL = files("tidelang").joinpath("grammar.lark").read_text("utf-8")
FIXED = {text: name for name, text in re.findall(r'^([A-Z]+): "(.+)"$', REAL, re.MULTILINE)}
OTHER = re.findall(r"^%declare (.*)$", REAL, re.MULTILINE)[0].split()
DOCUMENTS = [*ROOT.glob("docs/*/*.md"), *ROOT.glob("tests/spec/*.md")]
TRIES = 600


class _Given(Lexer):
    """Hands on tokens that are there already."""

    def __init__(self, conf: Any) -> None:
        del conf

    def lex(self, data: Any) -> Iterator[Token]:
        return (Token(kind, "") for kind in data)


def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="lalr", lexer=_Given, start="file")


def _told() -> str:
    """The reference's grammar, with the words and signs by the names of their tokens."""
    text = re.findall(r"```ebnf\n(.*?)```", section(REFERENCE, "## Grammar"), re.DOTALL)[0]
    text = text.replace("::=", ":").replace("\n          ", "\n    ")
    named = re.sub(r'"([^"]+)"', lambda found: FIXED[found[1]], text)
    return f"{named}\n%declare {' '.join([*FIXED.values(), *OTHER])}\n"


TOLD_PARSER, REAL_PARSER = _parser(_told()), _parser(REAL)


def _derives(parser: Lark, tokens: list[str]) -> bool:
    try:
        parser.parse(tokens)  # type: ignore[arg-type]
    except UnexpectedInput:
        return False
    return True


def _tokens(text: str) -> list[str]:
    words = {text: name for text, name in FIXED.items() if text.isalpha()}
    signs = {text: name for text, name in FIXED.items() if not text.isalpha()}
    source = Source("x", text)
    try:
        laid_out = lay_out(source, Scanner(source, words, signs).run())
    except LimitError:
        return []
    kinds = [token.type for token in laid_out or ()]
    return [] if "BROKEN" in kinds else kinds


def _texts() -> list[str]:
    block = re.compile(r"^```tide\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [text for path in DOCUMENTS for text in block.findall(path.read_text())]
    return [*found, *(path.read_text() for path in ROOT.glob("examples/*/*.tide"))]


STREAMS = [tokens for text in _texts() if (tokens := _tokens(text))]


@pytest.mark.parametrize("tokens", STREAMS, ids=range(len(STREAMS)))
def test_both_read_what_is_written(tokens: list[str]) -> None:
    assert _derives(TOLD_PARSER, tokens) == _derives(REAL_PARSER, tokens)


@pytest.mark.parametrize(
    ("one", "other"), [(TOLD_PARSER, REAL_PARSER), (REAL_PARSER, TOLD_PARSER)], ids=["told", "real"]
)
def test_each_reads_what_the_other_derives(one: Lark, other: Lark) -> None:
    sentences = Sentences(one)
    for _ in range(TRIES):
        tokens = sentences.any()
        assert _derives(other, tokens), " ".join(tokens)


def test_both_refuse_the_same() -> None:
    sentences, accepted = Sentences(REAL_PARSER), 0
    for _ in range(TRIES):
        tokens = _changed(sentences.chance, sentences.any())
        derived = _derives(REAL_PARSER, tokens)
        accepted += derived
        assert _derives(TOLD_PARSER, tokens) == derived, " ".join(tokens)
    assert 0.02 < accepted / TRIES < 0.98


class Sentences:
    """Derives files at random, short enough to be many."""

    def __init__(self, parser: Lark) -> None:
        self.chance = random.Random(7)  # noqa: S311  no secret
        self._ways: dict[str, list[list[Any]]] = {}
        for rule in parser.rules:
            if not any(symbol.name == "BROKEN" for symbol in rule.expansion):
                self._ways.setdefault(str(rule.origin.name), []).append(rule.expansion)
        self._least: dict[str, int] = {}
        self._room = 0
        for _ in self._ways:
            for name, ways in self._ways.items():
                self._least[name] = 1 + min(self._depth(way) for way in ways)

    def any(self) -> list[str]:
        self._room = self.chance.randrange(20, 200)
        return self._derived("file") or ["NAME"]

    def _depth(self, way: list[Any]) -> int:
        return max((self._least.get(s.name, 999) for s in way if not s.is_term), default=0)

    def _derived(self, name: str) -> list[str]:
        """Any way while there is room, the shortest from then on."""
        self._room -= 1
        ways = self._ways[name]
        way = self.chance.choice(ways) if self._room > 0 else min(ways, key=self._depth)
        return [token for symbol in way for token in self._of(symbol)]

    def _of(self, symbol: Any) -> list[str]:
        return [str(symbol.name)] if symbol.is_term else self._derived(symbol.name)


def _changed(chance: random.Random, tokens: list[str]) -> list[str]:
    kinds = [kind for kind in (*FIXED.values(), *OTHER) if kind != "BROKEN"]
    for _ in range(chance.choice([1, 1, 2])):
        at = chance.randrange(len(tokens))
        match chance.randrange(4):
            case 0:
                del tokens[at : at + 1 + (len(tokens) == at + 1)]
            case 1:
                tokens.insert(at, chance.choice(kinds))
            case 2:
                tokens[at] = chance.choice(kinds)
            case _:
                other = chance.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
        tokens = tokens or ["END"]
    return tokens


def test_every_word_and_sign_is_in_it() -> None:
    told = set(re.findall(r"\b[A-Z]+\b", _told().partition("%declare")[0]))
    assert told == {*FIXED.values(), *OTHER} - {"BROKEN"}
