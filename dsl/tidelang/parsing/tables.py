"""The LALR(1) tables: made by lark from `grammar.lark`, kept as `tables.json`.

Making them takes lark a tenth of a second, so the package ships them made. They are used
only if they were made from this very grammar by this very lark; otherwise they are made
anew, in memory. `python -m tidelang.parsing.tables` writes the file.

Only tables live here; what the rules build is `build.py`'s.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import lark
from lark.grammar import NonTerminal, Rule, Terminal
from lark.lexer import PatternStr
from lark.parsers.lalr_analysis import IntParseTable, Reduce, Shift

from tidelang.parsing.shorten import Rows, shorten

HERE = Path(__file__).resolve().parent.parent
GRAMMAR = HERE / "grammar.lark"
FILE = HERE / "tables.json"
SHAPE = 1
"""Raised when the shape of `tables.json` changes."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the parser needs: lark's table, and which word or sign is which terminal.

    `names` gives the builder's method for each rule."""

    table: IntParseTable
    rules: tuple[Rule, ...]
    names: tuple[str, ...]
    words: dict[str, str]
    signs: dict[str, str]


@cache
def tables() -> Tables:
    """The tables in force, read once in a process."""
    key = fingerprint()
    try:
        data = json.loads(FILE.read_bytes())
    except (OSError, ValueError):
        data = None
    if not isinstance(data, dict) or data.get("made_from") != key:
        data = make()
    return _unpack(data)


def fingerprint() -> list[str | int]:
    """What the tables depend on."""
    grammar = GRAMMAR.read_bytes().replace(b"\r\n", b"\n")
    return [SHAPE, lark.__version__, sha256(grammar).hexdigest()]


def make() -> dict[str, Any]:
    """The content of `tables.json`, from the grammar."""
    parser = bare()
    engine = parser.parser.parser
    table: IntParseTable = engine._parse_table  # noqa: SLF001 - it has no public name
    rules = sorted(parser.rules, key=str)
    number = {rule: index for index, rule in enumerate(rules)}
    rows: Rows = {
        state: {
            symbol: ("s", arg) if action is Shift else ("r", number[arg])
            for symbol, (action, arg) in actions.items()
        }
        for state, actions in table.states.items()
    }
    plain = {number[rule]: rule.origin.name for rule in rules if _is_plain(rule)}
    return _pack(parser, rules, shorten(rows, plain, table.start_states["file"]))


def bare() -> lark.Lark:
    """Lark as it comes, from the grammar alone: what the tables are made from, and what
    the benchmarks compare with."""
    text = GRAMMAR.read_text(encoding="utf-8")
    lark.logger.setLevel(logging.CRITICAL)
    return lark.Lark(text, parser="lalr", lexer="basic", start="file", maybe_placeholders=False)


def _is_plain(rule: Rule) -> bool:
    """A rule `?a: b`, whose value is b's."""
    return bool(rule.options.expand1) and rule.alias is None and len(rule.expansion) == 1


def _pack(parser: lark.Lark, rules: list[Rule], rows: Rows) -> dict[str, Any]:
    symbols = sorted({symbol for row in rows.values() for symbol in row})
    place = {symbol: index for index, symbol in enumerate(symbols)}
    fixed = {t.pattern.value: t.name for t in parser.terminals if isinstance(t.pattern, PatternStr)}
    return {
        "made_from": fingerprint(),
        "words": {text: name for text, name in sorted(fixed.items()) if text.isalpha()},
        "signs": {text: name for text, name in sorted(fixed.items()) if not text.isalpha()},
        "symbols": symbols,
        "rules": [
            [rule.origin.name, [s.name for s in rule.expansion], rule.alias or rule.origin.name]
            for rule in rules
        ],
        # A row: symbol, then state + 1 for a shift, -(rule + 1) for a reduction.
        "rows": [
            [
                n
                for symbol, (kind, arg) in sorted(row.items())
                for n in (place[symbol], arg + 1 if kind == "s" else -arg - 1)
            ]
            for _, row in sorted(rows.items())
        ],
    }


def _unpack(data: dict[str, Any]) -> Tables:
    symbols: list[str] = data["symbols"]
    rules = tuple(_rule(order, *parts) for order, parts in enumerate(data["rules"]))
    reductions = [(Reduce, rule) for rule in rules]
    shifts = [(Shift, state) for state in range(len(data["rows"]))]
    states = {
        state: {
            symbols[row[at]]: shifts[row[at + 1] - 1]
            if row[at + 1] > 0
            else reductions[-row[at + 1] - 1]
            for at in range(0, len(row), 2)
        }
        for state, row in enumerate(data["rows"])
    }
    return Tables(
        table=IntParseTable(states, {"file": 0}, {"file": states[0]["file"][1]}),  # type: ignore[no-untyped-call]
        rules=rules,
        names=tuple(parts[2] for parts in data["rules"]),
        words=data["words"],
        signs=data["signs"],
    )


def _rule(order: int, origin: str, expansion: list[str], name: str) -> Rule:
    symbols = [Terminal(s) if s.isupper() else NonTerminal(s) for s in expansion]
    return Rule(NonTerminal(origin), symbols, order, alias=name)


def write() -> None:
    """Write `tables.json` anew."""
    FILE.write_text(json.dumps(make(), separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
