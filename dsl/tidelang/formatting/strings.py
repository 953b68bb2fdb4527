"""Strings: what they are made of, and how those in three quotes are indented anew.

A long string's value has no indentation, so its lines can stand two spaces deeper than
what it belongs to. Where the value would not stay the same, the string stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidelang.formatting.nodes import Leaf
from tidelang.lexing.token import Token
from tidelang.limits import STRING_CHARACTERS
from tidelang.literals import dedent
from tidelang.render.cells import width

Parts = tuple[tuple[str, bool], ...]


def string_leaf(text: str, tokens: Sequence[Token], at: int) -> tuple[Leaf, int]:
    """The string that starts with a token, and where its last token is."""
    first = tokens[at]
    whole = first.text
    parts: Parts = ()
    if first.type == "QUOTE":
        at, parts = _pieces(text, tokens, at)
        whole = text[first.start : tokens[at].end]
    elif whole.endswith('"""') and "\n" in whole:
        opening = whole.index('"') + 3
        parts = ((whole[opening:-3], False),)
    columns = None if "\n" in whole else width(whole)
    if columns is not None or not first.text.startswith(('"""', 'r"""')):
        parts = ()
    return Leaf("STRING", whole, False, columns, parts), at


def _pieces(text: str, tokens: Sequence[Token], at: int) -> tuple[int, Parts]:
    """The texts and holes of a string up to its UNQUOTE, and where that is."""
    parts: list[tuple[str, bool]] = []
    depth, start, hole = 0, 0, ""
    while True:
        at += 1
        token = tokens[at]
        if token.type == "HOLE":
            start = start if depth else token.start
            depth += 1
        elif token.type == "NL":
            hole += text[start : token.start].removesuffix("\r")
            start = token.start
        elif token.type == "UNHOLE":
            depth -= 1
            if not depth:
                parts.append((hole + text[start : token.end], True))
                hole = ""
        elif depth == 0 and token.type == "TEXT":
            parts.append((token.text, False))
        elif depth == 0:
            return at, tuple(parts)


def placed(leaf: Leaf, indent: int) -> str:
    """A string of several lines as it is written where lines are indented so."""
    before = [None if hole else text for text, hole in leaf.parts]
    dedented = dedent(before)
    inner = " " * (indent + 2)
    after = [
        None if text is None else _moved(text, dedented.margin, inner, first=not at)
        for at, text in enumerate(before)
    ]
    if after and after[-1] is not None:
        after[-1] = _closed(after[-1], " " * indent)
    if not after or dedent(after).parts != dedented.parts:
        return leaf.text
    quotes = leaf.text[: leaf.text.index('"') + 3]
    pairs = zip(after, leaf.parts, strict=True)
    inside = "".join(part[0] if text is None else text for text, part in pairs)
    if len(inside) + 7 > STRING_CHARACTERS:
        return leaf.text
    return f'{quotes}{inside}"""'


def _moved(text: str, old: str, new: str, *, first: bool) -> str:
    """A stretch of text with another margin."""
    start, *lines = text.replace("\r\n", "\n").split("\n")
    if first and lines and not start.strip(" \t"):
        start = ""
    if not lines:
        return start
    last = lines.pop()
    kept = (_line(line, old, new) for line in lines)
    return "\n".join([start, *kept, new + last.removeprefix(old)])


def _line(line: str, old: str, new: str) -> str:
    """White space beyond the margin belongs to the value, on an empty line too."""
    inside = line.removeprefix(old)
    if line.strip(" \t"):
        return new + inside
    return new + inside if old and inside and line.startswith(old) else ""


def _closed(text: str, indent: str) -> str:
    """With the closing quotes where they belong, if they have a line of their own."""
    start, line_end, last = text.rpartition("\n")
    return start + line_end + indent if line_end and not last.strip(" \t") else text
