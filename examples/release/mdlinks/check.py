"""Follows the links of a set of pages within the file system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mdlinks.pages import Link, Page

ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
PAGES = frozenset({".md", ".markdown"})


@dataclass(frozen=True)
class Finding:
    """A link that leads nowhere, and why."""

    page: Path
    link: Link
    why: str

    def __str__(self) -> str:
        return f"{self.page}:{self.link.line}: {self.link.target}: {self.why}"


class Checker:
    """Checks pages, and reads each file that is linked to only once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.links = 0
        self._pages: dict[Path, Page] = {}

    def check(self, paths: Iterable[Path]) -> Iterator[Finding]:
        for path in paths:
            page = self._page(path)
            for link in page.links:
                if ELSEWHERE.match(link.target):
                    continue
                self.links += 1
                if why := self._why_broken(page, link):
                    yield Finding(path, link, why)

    def _why_broken(self, page: Page, link: Link) -> str:
        """Why a link leads nowhere, or an empty text."""
        name, _, anchor = unquote(link.target).partition("#")
        base = self.root if name.startswith("/") else page.path.parent
        target = base / name.lstrip("/") if name else page.path
        if not target.exists():
            return "no such file"
        if not anchor or target.suffix.lower() not in PAGES:
            return ""
        return "" if anchor in self._page(target).anchors else f"no heading for #{anchor}"

    def _page(self, path: Path) -> Page:
        key = path.resolve()
        if key not in self._pages:
            self._pages[key] = Page.read(path)
        return self._pages[key]


def markdown_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as given, and all Markdown below folders, hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in found.relative_to(path).parts)
            if found.suffix.lower() in PAGES and found.is_file() and not hidden:
                yield found
