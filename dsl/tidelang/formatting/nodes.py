"""What a file is made of, for its layout: words, brackets, entries, comments.

An entry is an item of a body or file, or what stands between the commas of a bracket.
`width` is what a thing takes on one line, None where it needs several.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Remark:
    """A comment. `beside`: it stands on the line of what is before it; `blank`: behind a
    blank line."""

    text: str
    beside: bool
    blank: bool


@dataclass(slots=True)
class Leaf:
    """A word, a sign or a string. `space`: one stands before it; `after`: comments
    between it and the next node of its entry. Of a string in three quotes, `parts` are its
    stretches of text and its holes (those with True), as they are written."""

    type: str
    text: str
    space: bool
    width: int | None
    parts: tuple[tuple[str, bool], ...] = ()
    after: list[Remark] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """Brackets and what is in them.

    `kind` says what they are for; `apart`: their entries stay on lines of their own;
    `opened`: the comment beside the opening bracket; `end`: comments before the closing
    one."""

    type: str
    kind: str
    space: bool
    entries: list[Entry] = field(default_factory=list)
    opened: Remark | None = None
    end: list[Remark] = field(default_factory=list)
    apart: bool = False
    width: int | None = None
    after: list[Remark] = field(default_factory=list)

    @property
    def braces(self) -> bool:
        return self.type == "LBRACE"

    @property
    def empty(self) -> bool:
        return not (self.entries or self.opened or self.end)


Node = Leaf | Group


@dataclass(slots=True)
class Entry:
    """`lead`: the comments above it; `tail`: the one beside its end; `blank`: it stands
    behind a blank line."""

    nodes: list[Node]
    lead: list[Remark] = field(default_factory=list)
    tail: Remark | None = None
    blank: bool = False
    width: int | None = None


COMMA_BEHIND_LAST = frozenset({"call", "list", "parameters", "targets"})
"""Brackets whose last entry may have a comma behind it, which it gets where each entry
has a line of its own."""

STAYS_APART = frozenset({"call", "list", "parameters"})
"""Brackets that stay on several lines when they were opened so."""


def width_of(nodes: list[Node]) -> int | None:
    """The columns that nodes take on one line."""
    total = 0
    for node in nodes:
        if node.width is None or node.after:
            return None
        total += node.width + node.space
    return total


def measure_entry(entry: Entry) -> None:
    entry.width = None if entry.lead or entry.tail else width_of(entry.nodes)


def measure_group(group: Group) -> None:
    """Needs the widths of its entries."""
    if group.empty:
        group.width = 2
        return
    if group.apart or group.opened or group.end:
        return
    total = 4 if group.braces else 2
    for entry in group.entries:
        if entry.width is None:
            return
        total += entry.width
    group.width = total + 2 * (len(group.entries) - 1)
