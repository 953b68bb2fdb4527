"""Reads documents as sessions: files that are written, commands that are run.

In a document, in order:

    <!-- folder: examples/hello -->     what follows happens in a copy of that folder
    <!-- file: hello.tide -->           the next block is that file's content
    <!-- wrong -->                      the next `tide` block must not be valid
    <!-- beside: text -->               the next command goes on beside those that follow,
                                        which start once it has printed this text
    ```tide                             must be valid, on its own
    ```yaml                             of the commands of `tidemill` in it each is understood
    ```console                          `$ ` starts a command, the rest is what it prints

A printed line must come, in any order, since steps run beside each other; `…` stands for
lines that are left out. Times and digests may differ, and a step that has ended before its
start was shown is not said to have started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECE = re.compile(
    r"^<!-- (?P<note>[a-z]+)(?:: (?P<value>[^>]*?))? -->$"
    r"|^(?P<fence>`{3,})(?P<kind>[a-z]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_VARYING = (
    (re.compile(r"\b\d+(?:\.\d+)?\s?(?:ms|s|m|min|h)\b"), "<time>"),
    (re.compile(r"\b\d\d:\d\d(?::\d\d)?\b"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "<digest>"),
    (re.compile(r"\bapproved by \w+"), "approved by <name>"),
    (re.compile(r"(?:<time>\s*)+"), "<time> "),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Note:
    """An instruction to the reader of the session, invisible to others."""

    name: str
    value: str


@dataclass(frozen=True)
class Fenced:
    """A block of code."""

    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """What is typed, and the lines that it should print."""

    typed: str
    prints: tuple[str, ...]


def pieces(document: str) -> Iterator[Note | Fenced]:
    for match in _PIECE.finditer(document):
        if match["note"]:
            yield Note(match["note"], match["value"] or "")
        else:
            yield Fenced(match["kind"], match["text"])


def commands(console: str) -> Iterator[Command]:
    """The commands of a `console` block; a line that ends in `\\` goes on."""
    joined = console.replace("\\\n", "")
    for part in re.split(r"(?m)^\$ ", joined)[1:]:
        typed, _, printed = part.partition("\n")
        lines = (line for line in printed.splitlines() if line.strip() not in {"", "…"})
        yield Command(typed, tuple(lines))


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, instead in _VARYING:
        line = pattern.sub(instead, line)
    return line.strip()


def missing(command: Command, output: str) -> list[str]:
    """The lines that should have been printed and were not."""
    printed = {plain(line) for line in output.splitlines()}
    lines = (line for line in command.prints if not line.endswith(" started"))
    return [line for line in lines if plain(line) not in printed]
