"""Prints the digest of every definition of the language's tests, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import spec_world as world
from spec_documents import MAIN, case_of, sections


def digests(folder: Path) -> Iterator[str]:
    for document in sorted(folder.glob("*.md")):
        if document.name == "README.md":
            continue
        for section in sections(document.read_text()):
            files = case_of(section).files
            for definition in world.meaning(files, MAIN).definitions:
                yield f"{document.name}: {section.title}: {world.digest(definition)}"


if __name__ == "__main__":
    for line in digests(Path(sys.argv[1])):
        print(line)
