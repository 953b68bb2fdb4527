"""The files that a cached step says it reads: found by its patterns, and read.

Blocking work, to be done in a thread. A file counts by its path, its content, whether it
may be executed and, if it is a link, by what the link says: not by its times or owner.
"""

# ruff: noqa: PTH112, PTH115, PTH118 -- a hot loop: a text costs a fraction of a Path
from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tidemill.errors import TidemillError

SKIPPED = frozenset({".git", ".tidemill"})
"""Folders in which nothing is an input: they change with every commit and every run."""

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class InputState:
    """An input as it was read. `seen` tells whether the file has been written to since."""

    path: str
    digest: str
    seen: tuple[int, ...]

    @property
    def part(self) -> tuple[str, str]:
        return (f"file {_shown(self.path)}", self.digest)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of a step, in order of their paths; `unmatched` are the patterns that
    match nothing."""

    files: tuple[InputState, ...]
    unmatched: tuple[str, ...]


def read_inputs(project: Path, patterns: Sequence[str]) -> Inputs:
    """Finds and reads them.

    Raises:
        TidemillError: a file or folder cannot be read, or a pattern leads out of the
            project.
    """
    found: set[str] = set()
    unmatched = []
    for pattern in patterns:
        matches = set(find(project, pattern))
        if not matches:
            unmatched.append(pattern)
        found |= matches
    states = (_read(project, path) for path in sorted(found))
    return Inputs(tuple(state for state in states if state is not None), tuple(unmatched))


def unchanged(project: Path, inputs: Inputs, patterns: Sequence[str]) -> bool:
    """Whether the inputs are still what was read; only what was written to is read again."""
    found = {path for pattern in patterns for path in find(project, pattern)}
    known = {state.path: state for state in inputs.files}
    for path in found | known.keys():
        before = known.get(path)
        if before is None or before.seen != _seen(project / path):
            now = _read(project, path)
            if (now.digest if now else None) != (before.digest if before else None):
                return False
    return True


def find(project: Path, pattern: str) -> Iterator[str]:
    """The paths of files that a pattern matches, relative to the project; one may come
    twice. `*` and `?` stay within a name and match hidden ones too, `**` is any number of
    folders. A pattern that matches a folder means all that is in it."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if ".." in parts or pattern.startswith("/"):
        raise TidemillError(
            f"cache: the pattern {pattern!r} leads out of the project",
            "inputs are files of the project",
        )
    once = [part for at, part in enumerate(parts) if not part == "**" == _at(parts, at + 1)]
    return _matching(str(project), "", once)


def _at(parts: Sequence[str], at: int) -> str:
    return parts[at] if at < len(parts) else ""


def _matching(folder: str, path: str, parts: Sequence[str]) -> Iterator[str]:
    if not parts or list(parts) == ["**"]:
        yield from _all_below(folder, path)
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _matching(folder, path, rest)
        for name, entry in _entries(folder, path):
            if _is_folder(entry):
                yield from _matching(folder, _join(path, name), parts)
    elif _MAGIC.search(part):
        accepts = _accepts(part)
        for name, _ in _entries(folder, path):
            if accepts(name):
                inner = _join(path, name)
                yield from _end(folder, inner, rest, os.path.isdir(os.path.join(folder, inner)))
    elif part not in SKIPPED and os.path.lexists(os.path.join(folder, path, part)):
        inner = _join(path, part)
        yield from _end(folder, inner, rest, os.path.isdir(os.path.join(folder, inner)))


def _end(folder: str, path: str, rest: Sequence[str], is_folder: bool) -> Iterator[str]:
    if is_folder:
        yield from _matching(folder, path, rest)
    elif not rest:
        yield path


def _all_below(folder: str, path: str) -> Iterator[str]:
    """Every file below; links to folders are not followed here."""
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for name, entry in _entries(folder, here):
            inner = _join(here, name)
            if _is_folder(entry):
                waiting.append(inner)
            else:
                yield inner


def _entries(folder: str, path: str) -> list[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(os.path.join(folder, path)) as entries:
            return [(entry.name, entry) for entry in entries if entry.name not in SKIPPED]
    except (FileNotFoundError, NotADirectoryError):
        return []  # it has gone since it was seen
    except OSError as error:
        raise _unreadable(path or ".", error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


@lru_cache(maxsize=256)
def _accepts(part: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(part)).match


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _read(project: Path, path: str) -> InputState | None:
    """None for what has gone, or holds nothing that could be read: a socket, a pipe."""
    place = project / path
    try:
        link = os.readlink(place) if place.is_symlink() else ""
        seen = _seen(place)
        content = _content(place)
        if content is None and not link:
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    said = b"\0".join((os.fsencode(path), os.fsencode(link), content or b"nowhere"))
    return InputState(path, hashlib.sha256(said).hexdigest(), seen)


def _content(place: Path) -> bytes | None:
    """Whether it may be executed, and the digest; None where there is no content."""
    try:
        found = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None  # a link that leads nowhere
    if not stat.S_ISREG(found.st_mode):
        return None
    with place.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return (b"x" if found.st_mode & stat.S_IXUSR else b"-") + digest


def _seen(place: Path) -> tuple[int, ...]:
    try:
        found = place.stat()
        own = place.lstat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns, found.st_ctime_ns,
            own.st_ino, own.st_mtime_ns)  # fmt: skip


def _shown(path: str) -> str:
    """A path as text that every encoding takes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _unreadable(path: str, error: OSError) -> TidemillError:
    return TidemillError(
        f"cache: the input {_shown(path)} cannot be read: {error.strerror}",
        "mend it, or leave it out of `inputs`",
    )
