"""Here-documents: their delimiters, and where their text begins and ends."""

from __future__ import annotations

import re

from tidelang.shell.state import HOLE, Body, Command, Form, HereDoc, Lost, Scan, Word

_QUOTED_DOCUMENT = (
    "the delimiter of this here-document is quoted, so that nothing is put into its text",
    "take the quotes off the delimiter, and write \\$ for each dollar sign that is text",
)
_DELIMITER = (
    "the delimiter of a here-document cannot be a value",
    "write a fixed word such as EOF",
)
_ODD = Lost(
    "this here-document's delimiter is written in a way that shells read differently",
    "write a plain word such as EOF, and its end on a line of its own",
)
_BREAKS = " \t\n;&|<>()"


def start(scan: Scan, frame: Command, *, strip: bool) -> None:
    """Read the delimiter behind `<<` or `<<-`; the text comes after the line's end."""
    while scan.at < frame.limit and scan.text[scan.at] in " \t":
        scan.at += 1
    delimiter, quoted = _delimiter(scan, frame.limit)
    doc = HereDoc(delimiter, quoted, strip, scan.at)
    frame.pending.append(doc)
    frame.docs.append(doc)


def _delimiter(scan: Scan, limit: int) -> tuple[str, bool]:
    text, start, quoted = "", scan.at, False
    while scan.at < limit and scan.text[scan.at] not in _BREAKS:
        character = scan.text[scan.at]
        if character == HOLE:
            scan.place(Form.PLAIN).refuse(*_DELIMITER)
            raise _ODD
        if character in "$`" or (character == "\\" and scan.peek() in ("", "\n", HOLE)):
            raise _ODD
        if character in "'\"":
            end = scan.text.find(character, scan.at + 1, limit)
            piece = scan.text[scan.at + 1 : end]
            if end < 0 or set(piece) & set("\\$`\n" + HOLE):
                raise _ODD
            text, quoted, scan.at = text + piece, True, end + 1
        elif character == "\\":
            text, quoted, scan.at = text + scan.peek(), True, scan.at + 2
        else:
            text, scan.at = text + character, scan.at + 1
    if scan.at == start:
        raise _ODD
    return text, quoted


def queue(scan: Scan, frame: Command) -> None:
    """At a line's end (the current character is the first of the next line): the texts
    that were announced on the line come now."""
    outer = [other for other in scan.commands() if other is not frame and other.pending]
    if outer:
        raise _ODD
    for doc in frame.pending:
        if re.search(r"(?<!\\)\n", scan.text[doc.at : scan.at - 1]):
            raise _ODD
    frame.bodies, frame.pending = frame.pending, []


def enter(scan: Scan, frame: Command) -> None:
    """Go into the next text that waits."""
    doc = frame.bodies.pop(0)
    tabs = r"\t*" if doc.strip else ""
    end_line = re.compile(rf"\n{tabs}{re.escape(doc.delimiter)}(?=\n|\Z)")
    found = end_line.search(scan.text, scan.at - 1, frame.limit)
    if found is None and frame.role != "script":
        raise _ODD
    end, resume = (frame.limit, frame.limit) if found is None else (found.start(), found.end())
    end = max(end, scan.at)
    if doc.quoted:
        scan.refuse_until(end, *_QUOTED_DOCUMENT)
        scan.at = min(resume + 1, frame.limit)
        return
    if _continued(scan.text[scan.at : end]):
        raise _ODD
    scan.push(Body(limit=end, sink=Word(len(scan.places)), doc=doc, resume=resume + 1))


def _continued(text: str) -> bool:
    """Whether the end line would be the rest of a line that a backslash continues."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1
