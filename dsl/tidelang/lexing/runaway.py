"""Where a `\"\"\"` string that nothing closes was meant to end.

Everything behind it would be text, or, where another such string follows, what was text
would be read as items, and the other way round. People indent right what they forget to
close: a line that begins an item, no further in than the one that the string stands in,
is behind the string. Asked where a file ends in a string, and where the quotes that close
one would open another: `run = \"\"\"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tidelang.lexing.token import Token

_ITEM = re.compile(
    r"^([ \t]*)(?:\}|[A-Za-z_]\w*[ \t]*(?:=(?!=)|\{)"
    r"|(?:output|step|param|let|task|pipeline|import)[ \t])",
    re.MULTILINE,
)
_OPENS = re.compile(r"[ \t]*[A-Za-z_]\w*[ \t]*=[ \t]*r?\Z")
"""What stands before quotes that open a string rather than close one."""


def first_unclosed(text: str, tokens: Sequence[Token], last: int) -> int:
    """Where the string opens that is not closed: the one at `last`, with which the file
    ends, or an earlier one that was closed by the opening quotes of the next."""
    for start, close in _long_strings(tokens):
        if opens_another(text, start, close):
            return start
    return last


def opens_another(text: str, start: int, close: int) -> bool:
    """Whether the quotes that close a string, on a later line, look as if they were to open
    one."""
    line = text.rfind("\n", start, close) + 1
    return line > 0 and _OPENS.match(text, line, close) is not None


def meant_end(text: str, start: int) -> int:
    """The end of the line before the first one that cannot be the string's."""
    line = text.rfind("\n", 0, start) + 1
    indent = _width(text[line:start])
    for found in _ITEM.finditer(text, text.find("\n", start) + 1 or len(text)):
        if len(found[1]) <= indent:
            return found.start() - 1
    return len(text)


def _width(before: str) -> int:
    return len(before) - len(before.lstrip(" \t"))


def _long_strings(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Where each `\"\"\"` string opens and closes."""
    open_: list[int] = []
    for token in tokens:
        if token.type in ("STRING", "RAW"):
            if token.text.endswith('"""'):
                yield token.start, token.end - 3
        elif token.type == "QUOTE":
            open_.append(token.start)
        elif token.type == "UNQUOTE":
            start = open_.pop()
            if token.text == '"""':
                yield start, token.start
