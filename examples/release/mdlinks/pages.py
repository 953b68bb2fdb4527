"""Reads one Markdown page: the links it has, and the anchors others may link to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
INLINE_CODE = re.compile(r"(`+)(?:.*?[^`])??\1(?!`)")
INLINE_LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)"
)
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)")
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
EXPLICIT_ANCHOR = re.compile(r"<a\s[^>]*(?:id|name)=[\"']([^\"']+)[\"']")
LINK_TEXT = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Link:
    """A link's target, and the line (from 1) on which it stands."""

    target: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8", errors="replace"))

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """All links outside code, in order."""
        return tuple(
            Link(target, number) for number, line in self._prose() for target in links_in(line)
        )

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The names behind `#` that a link to this page may use."""
        found: list[str] = []
        for _, line in self._prose():
            found += EXPLICIT_ANCHOR.findall(line)
            if heading := HEADING.match(line):
                slug = slug_of(heading[2])
                again = sum(1 for name in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", name))
                found.append(f"{slug}-{again}" if again else slug)
        return frozenset(found)

    def _prose(self) -> Iterator[tuple[int, str]]:
        """Numbered lines that are not inside a fenced block of code."""
        fence = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            mark = FENCE.match(line)
            if not fence and mark:
                fence = mark[1]
            elif not fence:
                yield number, line
            elif mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""


def links_in(line: str) -> Iterator[str]:
    """The targets on one line of prose; what stands in `code` is no link."""
    line = INLINE_CODE.sub("", line)
    if reference := REFERENCE.match(line):
        yield reference[1]
    for link in INLINE_LINK.finditer(line):
        yield link[1]


def slug_of(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    text = LINK_TEXT.sub(r"\1", heading).replace("`", "")
    text = unicodedata.normalize("NFC", text).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
