"""Files that are known to have no mistakes: an unchanged file need not be checked again.

What is kept is a file named by a hash of the text, of the path it was reached by, and of
the very compiler that read it, in the user's cache folder. In it stands what else the
answer rests on: the files that were imported, by where their paths lead and what they
hold; and where plugins were asked, where Python looks for distributions, and every file
that was loaded. An entry that is not whole counts for nothing. Nothing is kept of a file
with mistakes. Without a cache folder, or with one that cannot be written, nothing is
remembered and nothing is said.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
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
    place = f"{os.path.abspath(file)}\n{os.path.realpath(file)}\n{find_project(file).root}\n"  # noqa: PTH100
    seen = hashlib.sha256(_compiler() + os.fsencode(place))
    seen.update(text)
    return folder / seen.hexdigest()


def holds(kept: Path) -> bool:
    """Whether it is known, and all that it rests on is as it was."""
    try:
        digest, _, body = kept.read_bytes().partition(b"\n")
    except OSError:
        return False
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return False
    fields = os.fsdecode(body).split("\0") if body else []
    return all(
        _LOOKS[kind](path) == value
        for kind, value, path in zip(fields[::3], fields[1::3], fields[2::3], strict=True)
    )


def remember(
    kept: Path, reached: Mapping[str, str], installed: Iterable[Path] | None = None
) -> None:
    """Keeps that a file has no mistakes as long as the paths `reached` lead to the files
    that they lead to now, with the same content. Where plugins were asked, also as long as
    Python looks for them in the same places, and nothing that was `installed` is touched.
    """
    facts = [("leads", name) for name in reached]
    facts += [("content", real) for real in dict.fromkeys(reached.values())]
    if installed is not None:
        facts += [("places", ""), ("named", sys.path[0])]
        facts += [("touched", str(path)) for path in installed]
    fields = [field for kind, path in facts for field in (kind, _LOOKS[kind](path), path)]
    body = os.fsencode("\0".join(fields))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        entries = list(kept.parent.iterdir())
        if len(entries) >= _MOST:
            for old in entries:
                old.unlink(missing_ok=True)
        new = kept.with_name(f"{kept.name}.{os.getpid()}")
        new.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        new.replace(kept)
    except OSError:
        return  # it is only a cache


def _digest(path: str) -> str:
    text = _content(Path(path))
    return "-" if text is None else hashlib.sha256(text).hexdigest()


def _places(path: str) -> str:
    """Where Python looks for modules and distributions, in which order."""
    del path
    return hashlib.sha256(os.fsencode("\0".join(sys.path))).hexdigest()


def _named(path: str) -> str:
    """The distributions in the folder that a command was started in, or of its script, by
    their names: other files come and go there."""
    try:
        found = sorted(each for each in os.listdir(path or ".") if each.endswith("-info"))  # noqa: PTH208
    except OSError:
        found = []
    return hashlib.sha256(os.fsencode("\0".join(found))).hexdigest()


def _touched(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - there are hundreds
    except OSError:
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}"


_LOOKS: dict[str, Callable[[str], str]] = {
    "leads": os.path.realpath,
    "content": _digest,
    "places": _places,
    "named": _named,
    "touched": _touched,
}


def _content(file: Path) -> bytes | None:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        return file.read_bytes()
    except OSError:
        return None


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
