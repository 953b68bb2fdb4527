"""From nodes to lines: what fits on one line stays there; else its outermost brackets are
broken first.
"""

from __future__ import annotations

from tidelang.formatting.breaks import segments
from tidelang.formatting.kinds import setting_name
from tidelang.formatting.lines import COLUMNS, WIDEST_NAME, Setting
from tidelang.formatting.nodes import COMMA_BEHIND_LAST, Entry, Group, Leaf, Node, Remark, width_of
from tidelang.formatting.page import Page
from tidelang.formatting.strings import placed
from tidelang.lexing.token import OPENERS, SIGNS

_SMALL = 12
"""Round and square brackets up to this width are not worth breaking."""


def write(file: Group) -> str:
    """The text of a file."""
    writer = _Writer()
    writer.items(file, 0)
    return writer.text()


class _Writer(Page):
    # --- items ------------------------------------------------------------------------------

    def items(self, group: Group, indent: int) -> None:
        """The entries of braces, each on lines of its own."""
        run: list[Setting] = []
        before: Entry | None = None
        for entry in group.entries:
            if group.kind == "file" and before:
                _part(before, entry)
            if entry.lead or entry.blank:
                run = []
            setting = self.entry(entry, indent, first=before is None)
            if setting is None or (run and _is_let(before) != _is_let(entry)):
                run = []
            if setting is not None:
                if not run:
                    self.runs.append(run)
                run.append(setting)
            before = entry
        self.remarks(group.end, indent, first=before is None)

    def entry(self, entry: Entry, indent: int, *, first: bool) -> Setting | None:
        """An item; where it is a setting on one line, as one."""
        self.begin(entry, indent, first=first)
        line = len(self.lines)
        self.nodes(entry.nodes, 0)
        self.end_entry(entry, line)
        name = setting_name(entry.nodes)
        columns = (width_of(list(name)) or 0) if name else WIDEST_NAME + 1
        if len(self.lines) > line or columns > WIDEST_NAME:
            return None
        place = indent + len(" ".join(word.text for word in name))
        return Setting(line, place, columns, self.column)

    def begin(self, entry: Entry, indent: int, *, first: bool) -> None:
        self.remarks(entry.lead, indent, first=first)
        if entry.blank and not (first and not entry.lead):
            self.blank_line()
        self.new_line(indent)

    def end_entry(self, entry: Entry, line: int) -> None:
        self.comment = entry.tail.text if entry.tail else ""
        self.whole = len(self.lines) == line

    # --- expressions, and headers of items --------------------------------------------------

    def nodes(self, nodes: list[Node], behind: int) -> None:
        """Nodes in a row. `behind`: the columns that must be left for what follows them."""
        inner = self.indent + 2
        for node, rest in zip(nodes, _rests(nodes, behind), strict=True):
            if node.space and not self.fresh:
                self.word(" ", 1)
            if isinstance(node, Leaf):
                self.leaf(node)
            elif node.width is not None and self.fits(node, rest):
                self.flat(node)
            else:
                self.broken(node, rest)
            if node.after:
                self.remarks_between(node.after, inner)

    def fits(self, group: Group, rest: int) -> bool:
        if group.empty or (not group.braces and (group.width or 0) <= _SMALL):
            return True
        return self.column + (group.width or 0) + rest <= COLUMNS

    def remarks_between(self, remarks: list[Remark], indent: int) -> None:
        if remarks[0].beside:
            self.comment = remarks[0].text
            remarks = remarks[1:]
        for remark in remarks:
            self.new_line(indent)
            self.word(remark.text, 0)
        self.new_line(indent)

    def leaf(self, leaf: Leaf) -> None:
        if leaf.width is not None:
            self.word(leaf.text, leaf.width)
            return
        self.lines_of(placed(leaf, self.indent))

    def flat(self, group: Group) -> None:
        """Brackets on one line."""
        around = 1 if group.braces and group.entries else 0
        self.word(SIGNS[group.type] + " " * around, 1 + around)
        for at, entry in enumerate(group.entries):
            if at:
                self.word(", ", 2)
            for node in entry.nodes:
                if node.space:
                    self.word(" ", 1)
                if isinstance(node, Leaf):
                    self.word(node.text, node.width or 0)
                else:
                    self.flat(node)
        self.word(" " * around + SIGNS[OPENERS[group.type]], 1 + around)

    def broken(self, group: Group, rest: int) -> None:
        """Brackets on several lines."""
        indent, closing = self.indent, SIGNS[OPENERS[group.type]]
        self.word(SIGNS[group.type], 1)
        if _hugs(group):
            self.nodes(group.entries[0].nodes, rest + 1)
        else:
            self.comment = group.opened.text if group.opened else ""
            if group.braces:
                self.items(group, indent + 2)
            else:
                self.entries(group, indent + 2)
            self.new_line(indent)
        self.word(closing, 1)

    def entries(self, group: Group, indent: int) -> None:
        """What stands between commas, each on lines of its own."""
        commas = group.kind in COMMA_BEHIND_LAST
        several = commas or len(group.entries) > 1
        for at, entry in enumerate(group.entries):
            self.begin(entry, indent, first=not at)
            line = len(self.lines)
            comma = commas or at < len(group.entries) - 1
            self.operands(entry.nodes, int(comma), deeper=several)
            if comma:
                self.word(",", 1)
            self.end_entry(entry, line)
        self.remarks(group.end, indent, first=not group.entries)

    def operands(self, nodes: list[Node], behind: int, *, deeper: bool) -> None:
        """An expression in brackets, which may go on in the next line."""
        columns = width_of(nodes)
        if columns is not None and self.column + columns + behind <= COLUMNS:
            self.nodes(nodes, behind)
            return
        parts = segments(nodes)
        if len(parts) == 1:
            self.nodes(nodes, behind)
            return
        indent = self.indent + 2 * deeper
        for at, part in enumerate(parts):
            if at:
                self.new_line(indent)
            self.operands(part, behind if at == len(parts) - 1 else 0, deeper=True)


def _rests(nodes: list[Node], behind: int) -> list[int]:
    """For each node, the columns of what follows it up to where a line may end."""
    rests = []
    for node in reversed(nodes):
        rests.append(0 if node.after else behind)
        if isinstance(node, Leaf):
            behind = 0 if node.width is None else behind + node.width + node.space
        elif _breakable(node):
            behind = node.space + 1
        else:
            behind += (node.width or 0) + node.space
    return rests[::-1]


def _breakable(group: Group) -> bool:
    return not group.empty and (group.braces or group.width is None or group.width > _SMALL)


def _hugs(group: Group) -> bool:
    """`f({`, `f([` and `f(\""" `: brackets around one thing open and close with it."""
    if group.braces or group.apart or group.opened or group.end or len(group.entries) != 1:
        return False
    (entry,) = group.entries
    if entry.lead or entry.tail or len(entry.nodes) != 1:
        return False
    (node,) = entry.nodes
    if isinstance(node, Leaf):
        return node.width is None
    return node.type in ("LBRACE", "LSQB") and not node.empty


def _part(before: Entry, entry: Entry) -> None:
    """A blank line around the pipelines and tasks of a file."""
    if not (_stands_alone(before) or _stands_alone(entry)):
        return
    if not (entry.blank or any(remark.blank for remark in entry.lead)):
        if entry.lead:
            entry.lead[0].blank = True
        else:
            entry.blank = True


def _stands_alone(entry: Entry) -> bool:
    return entry.nodes[0].type in ("PIPELINE", "TASK")


def _is_let(entry: Entry | None) -> bool:
    return entry is not None and entry.nodes[0].type == "LET"
