"""Files that are known to have no mistakes: an unchanged file need not be checked again.

What is kept is an empty file named by a hash of the text and of the very compiler that
read it, in the user's cache folder. Nothing is kept of a file with mistakes, nor of one
that asked plugins, since what they answer may change. Without a cache folder, or with
one that cannot be written, nothing is remembered and nothing is said.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

import tidelang
from tidemill._version import __version__

_MOST = 2_000
"""Entries; at more, all are dropped: they are quick to make again."""

_LARGEST = 8 * 1024 * 1024


def entry(file: Path) -> Path | None:
    """Where it would be kept that this file, as it is now, has no mistakes; None if it
    is not a readable regular file of a size that the compiler takes."""
    folder = _folder()
    if folder is None:
        return None
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        text = file.read_bytes()
    except OSError:
        return None
    return folder / hashlib.sha256(_compiler() + text).hexdigest()


def remember(kept: Path) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        entries = list(kept.parent.iterdir())
        if len(entries) >= _MOST:
            for old in entries:
                old.unlink(missing_ok=True)
        kept.touch()
    except OSError:
        return  # it is only a cache


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
