"""Which `.tide` files are meant by the paths on a command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def sources(named: Sequence[Path], unreadable: list[str]) -> list[Path]:
    """Files as they are named, and of folders every `.tide` file below them. What could
    not be looked at is added to `unreadable`, as whole messages."""
    files: list[Path] = []
    for path in named:
        found = list(_below(path, unreadable)) if path.is_dir() else [path]
        if not found:
            unreadable.append(f"{path}: there is no .tide file in this folder")
        files += found
    return files


def _below(folder: Path, unreadable: list[str]) -> Iterator[Path]:
    """The `.tide` files below a folder in order of their names, without hidden folders
    (`.git`, `.venv`, `.tidemill`)."""

    def complain(error: OSError) -> None:
        unreadable.append(f"{error.filename}: cannot be read: {error.strerror}")

    for at, folders, files in os.walk(folder, onerror=complain):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(at, name) for name in sorted(files) if name.endswith(".tide"))
