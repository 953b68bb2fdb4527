"""From the scanner's tokens to nodes, with every comment at the thing it belongs to.

The parser has found no mistakes, so brackets match and each token stands where it may.
The scanner drops comments; they stand in the text between a token and the line's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tidelang.formatting import kinds
from tidelang.formatting.nodes import (
    STAYS_APART,
    Entry,
    Group,
    Leaf,
    Node,
    Remark,
    measure_entry,
    measure_group,
)
from tidelang.formatting.strings import string_leaf
from tidelang.lexing.token import CLOSERS, OPENERS, Token


@dataclass(slots=True)
class _Frame:
    """An open bracket, or the file: the entry that is being read, and the comments since
    the last token."""

    group: Group
    nodes: list[Node] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    lead: list[Remark] = field(default_factory=list)
    blank: bool = False
    types: bool = False
    """Whether a type is being read, as opposed to an expression."""
    untouched: bool = True
    """Whether nothing has come behind the opening bracket yet, not even a line's end."""


def read(text: str, tokens: Sequence[Token]) -> Group:
    """The file, as if it stood in braces."""
    return _Reader(text, tokens).run()


class _Reader:
    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.file = Group("LBRACE", "file", False, apart=True)
        self.frame = _Frame(self.file, untouched=False)
        self.outer: list[_Frame] = []
        self.lines = 0
        """Line ends since the last token or comment."""

    def run(self) -> Group:
        end = 1 if self.text.startswith("\ufeff") else 0
        at, tokens = 0, self.tokens
        while at < len(tokens):
            token = tokens[at]
            if token.type == "NL":
                self.comment(end, token.start)
                self.line_end()
            elif token.type == "QUOTE":
                leaf, at = string_leaf(self.text, tokens, at)
                self.add(leaf)
            else:
                self.token(token)
            end = tokens[at].end
            at += 1
        self.comment(end, len(self.text))
        self.leave()
        return self.file

    def token(self, token: Token) -> None:
        type_ = token.type
        if type_ in OPENERS:
            self.open(type_)
        elif type_ in CLOSERS:
            self.close()
        elif type_ in ("SEMI", "COMMA"):
            self.separator()
        elif type_ in ("STRING", "RAW"):
            self.add(string_leaf(self.text, [token], 0)[0])
        else:
            self.word(type_, token.text)

    # --- what entries are made of ---------------------------------------------------------

    def word(self, type_: str, text: str) -> None:
        frame = self.frame
        type_ = kinds.meant(type_, frame.nodes)
        if type_ in ("COLON", "EQUAL"):
            frame.types = type_ == "COLON"
        elif type_ == "FOR" and frame.group.kind == "list":
            frame.group.kind = "comprehension"
        self.add(Leaf(type_, text, False, len(text)))

    def add(self, node: Node) -> None:
        frame = self.frame
        if frame.nodes:
            frame.nodes[-1].after += frame.remarks
        else:
            frame.lead += frame.remarks
            frame.blank = self.lines > 1
        frame.remarks = []
        node.space = kinds.spaced(frame.nodes, node)
        frame.nodes.append(node)
        frame.untouched = False
        self.lines = 0

    def open(self, type_: str) -> None:
        frame = self.frame
        kind = kinds.of_brackets(type_, frame.nodes, frame.group, types=frame.types)
        group = Group(type_, kind, False)
        self.add(group)
        self.outer.append(frame)
        self.frame = _Frame(group, types=kind == "types")

    def close(self) -> None:
        self.leave()
        self.frame = self.outer.pop()
        self.lines = 0

    def leave(self) -> None:
        """The end of a bracket, or of the file."""
        frame = self.frame
        if frame.nodes:
            self.end_entry()
        frame.group.end = frame.lead + frame.remarks
        measure_group(frame.group)

    # --- what parts entries ---------------------------------------------------------------

    def separator(self) -> None:
        if self.frame.nodes:
            self.end_entry()
        self.lines = 0

    def end_entry(self) -> None:
        frame = self.frame
        entry = Entry(frame.nodes, frame.lead, blank=frame.blank)
        remarks = frame.remarks
        if remarks and remarks[0].beside:
            entry.tail = remarks[0]
            remarks = remarks[1:]
        frame.nodes, frame.remarks, frame.lead = [], [], remarks
        frame.types = frame.group.kind == "types"
        measure_entry(entry)
        frame.group.entries.append(entry)

    def line_end(self) -> None:
        frame = self.frame
        if frame.group.braces:
            frame.group.apart = True
            if frame.nodes:
                self.end_entry()
        elif frame.untouched and frame.group.kind in STAYS_APART:
            frame.group.apart = True
        frame.untouched = False
        self.lines += 1

    # --- comments -------------------------------------------------------------------------

    def comment(self, start: int, end: int) -> None:
        """The comment between two places, if there is one."""
        at = self.text.find("#", start, end)
        if at < 0:
            return
        text = self.text[at:end].rstrip()
        frame = self.frame
        remark = Remark(text, self.lines == 0, self.lines > 1)
        self.lines = 0
        last = frame.group.entries[-1] if frame.group.entries and not frame.nodes else None
        if frame.untouched:
            frame.group.opened = remark
        elif last and remark.beside and not (last.tail or frame.lead):
            last.tail, last.width = remark, None
        else:
            frame.remarks.append(remark)
        frame.untouched = False
