"""Files that are known to have no mistakes: an unchanged file need not be checked again.

What is kept is a file named by a hash of the text, of the place it lies in, and of the
very compiler that read it, in the user's cache folder. In it stands what else the answer
rests on: the files that were imported, by their content, and where plugins were asked,
the places that these are installed in. Nothing is kept of a file with mistakes. Without a
cache folder, or with one that cannot be written, nothing is remembered and nothing is said.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import tidelang
from tidemill._version import __version__
from tidemill.project import find_project

_MOST = 2_000
"""Entries; at more, all are dropped: they are quick to make again."""

_LARGEST = 8 * 1024 * 1024


def entry(file: Path) -> Path | None:
    """Where it would be kept that this file, as it is now, has no mistakes; None if it
    is not a readable regular file of a size that the compiler takes."""
    folder = _folder()
    text = _content(file) if folder is not None else None
    if folder is None or text is None:
        return None
    place = f"{os.path.realpath(file)}\n{find_project(file).root}\n"
    seen = hashlib.sha256(_compiler() + os.fsencode(place))
    seen.update(text)
    return folder / seen.hexdigest()


def holds(kept: Path) -> bool:
    """Whether it is known, and all that it rests on is as it was."""
    try:
        lines = os.fsdecode(kept.read_bytes()).splitlines()
    except OSError:
        return False
    return all(_as_it_was(*line.split(" ", 2)) for line in lines)


def remember(kept: Path, imported: Iterable[str], installed: Iterable[Path]) -> None:
    """Keeps that a file has no mistakes as long as the `imported` files have the same
    content, and the `installed` ones and folders have not been touched."""
    lines = [f"content {_digest(Path(path))} {path}" for path in imported]
    lines += [f"touched {_touched(path)} {path}" for path in installed]
    if any("\n" in line for line in lines):
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        entries = list(kept.parent.iterdir())
        if len(entries) >= _MOST:
            for old in entries:
                old.unlink(missing_ok=True)
        new = kept.with_name(f"{kept.name}.{os.getpid()}")
        new.write_bytes(os.fsencode("\n".join(lines)))
        new.replace(kept)
    except OSError:
        return  # it is only a cache


def _as_it_was(kind: str, value: str, path: str) -> bool:
    look = _digest if kind == "content" else _touched
    return look(Path(path)) == value


def _digest(file: Path) -> str:
    text = _content(file)
    return "-" if text is None else hashlib.sha256(text).hexdigest()


def _content(file: Path) -> bytes | None:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        return file.read_bytes()
    except OSError:
        return None


def _touched(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}"


def _folder() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base, "tidemill", "known")
    home = os.environ.get("HOME")
    return Path(home, ".cache", "tidemill", "known") if home else None


@cache
def _compiler() -> bytes:
    """The compiler, by its version and by the state of each of its files, so that a
    changed checkout counts as another compiler."""
    seen = hashlib.sha256(__version__.encode())
    for folder, _, names in sorted(os.walk(Path(tidelang.__file__ or "").parent)):
        for name in sorted(names):
            if not name.endswith(".pyc"):
                at = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - a hot loop
                seen.update(f"{name} {at.st_size} {at.st_mtime_ns}\n".encode())
    return seen.digest()
