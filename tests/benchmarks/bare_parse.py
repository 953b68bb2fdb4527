"""Seconds that reading one file takes, in a process of its own.

    python bare_parse.py lark FILE        lark alone: its lexer, its LALR(1) parser, its tree
    python bare_parse.py tidelang FILE    our reading, checking and lowering, to the digest

Lark gets our own grammar. What our scanner knows by itself is given to it as regular
expressions, and what our layout does as a `postlex`, which is lark's own way for languages
with line ends. A string is one token to it, so it reads less than we do: the expressions in
`{{ }}` are skipped. Loading is not counted for either: each reads a small file first.
Nothing is cached.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lark
from generate import rich_file
from lark import Token

TERMINALS = r'''
NAME: /[^\W\d]\w*/
NUMBER: /\d[\d_]*(?:\.\d+)?/
DURATION.1: /(?:\d+(?:\.\d+)?(?:ms|[smhdw])(?!\w))+/
SIZE.1: /\d+(?:\.\d+)?(?:[KMGT]i?B|kB|B)/
RAW.2: /r"""(?s:.*?)"""|r"[^"\n]*"/
STRING.1: /"""(?:[^\\"]|\\(?s:.)|"(?!""))*"""|"(?:[^\\"\n]|\\.)*"/
LINE_END: /[\n;](?:\s|;|#[^\n]*)*/
SPACE: /[ \t\r]+/
COMMENT: /#[^\n]*/
%ignore SPACE
%ignore COMMENT
%declare BROKEN END QUOTE TEXT HOLE UNHOLE UNQUOTE
'''


OPEN = {"LPAR": False, "LSQB": False, "LBRACE": True}
CLOSE = frozenset({"RPAR", "RSQB", "RBRACE"})


class Layout:
    """Line ends and commas that separate items become END; other line ends go."""

    always_accept = ("LINE_END",)

    def process(self, tokens: Iterator[Token]) -> Iterator[Token]:
        separates, after = [True], "LBRACE"
        for token in tokens:
            kind = token.type
            if kind == "LINE_END" or (kind == "COMMA" and separates[-1]):
                if not separates[-1] or after in {"LBRACE", "END"}:
                    continue
                token, kind = Token.new_borrow_pos("END", "", token), "END"
            yield token
            after = kind
            if kind in OPEN:
                separates.append(OPEN[kind])
            elif kind in CLOSE:
                separates.pop()


def lark_parse() -> Callable[[str], object]:
    from tidelang.parsing import tables

    grammar = tables.GRAMMAR.read_text(encoding="utf-8").split("%declare")[0] + TERMINALS
    parser = lark.Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=Layout(),
        start="file",
        maybe_placeholders=False,
    )
    return parser.parse


def whole() -> Callable[[str], object]:
    from tidelang.codec import digest
    from tidelang.compiler import NoPlugins, compile_source
    from tidelang.parsing.tables import tables
    from tidelang.source import Source

    tables()

    def read(text: str) -> object:
        compiled = compile_source(Source("rich.tide", text), NoPlugins())
        return [digest(definition) for definition in compiled.definitions]

    return read


def main() -> None:
    what, file = sys.argv[1:]
    read = {"lark": lark_parse, "tidelang": whole}[what]()
    text = Path(file).read_text()
    read(rich_file(3))
    start = time.perf_counter()
    if not read(text):
        sys.exit("nothing came of it")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
