"""The page that is being written, line by line.

`indent` is that of the line in which a bracket or a long string is opened: what is in it
and its end are indented by that.
"""

from __future__ import annotations

from tidelang.formatting.lines import Line, Setting, align_comments, align_settings
from tidelang.formatting.nodes import Remark
from tidelang.render.cells import width


class Page:
    """`words` are those of the line that is begun; `fresh`: it has none yet. `runs` are
    neighbouring settings, whose `=` is aligned in the end."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.runs: list[list[Setting]] = []
        self.words: list[str] = []
        self.begun = False
        self.fresh = True
        self.column = 0
        self.indent = 0
        self.comment = ""
        self.whole = False

    def text(self) -> str:
        self.end_line()
        for run in self.runs:
            align_settings(self.lines, run)
        align_comments(self.lines)
        return "".join(f"{line.text}\n" for line in self.lines)

    # --- lines ------------------------------------------------------------------------------

    def end_line(self) -> None:
        if self.begun:
            text = "" if self.fresh else "".join(self.words)
            self.lines.append(Line(text, self.comment, self.whole, self.indent))
        self.words, self.comment, self.whole, self.begun = [], "", False, False

    def new_line(self, indent: int) -> None:
        if not (self.begun and self.fresh):
            self.end_line()
        self.words, self.begun, self.fresh = [" " * indent], True, True
        self.column = self.indent = indent

    def blank_line(self) -> None:
        self.end_line()
        self.lines.append(Line(""))

    def word(self, text: str, columns: int) -> None:
        self.words.append(text)
        self.column += columns
        self.fresh = False

    def remarks(self, remarks: list[Remark], indent: int, *, first: bool) -> None:
        """Comments on lines of their own."""
        for remark in remarks:
            if remark.blank and not first:
                self.blank_line()
            self.new_line(indent)
            self.word(remark.text, 0)
            first = False

    def lines_of(self, text: str) -> None:
        """A text of several lines, as it is; what follows goes on in its last one."""
        first, *lines = text.split("\n")
        self.word(first, 0)
        for line in lines:
            self.end_line()
            self.words, self.begun, self.fresh = [line], True, False
            self.column = width(line)
