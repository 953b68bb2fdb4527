"""Copies of stored objects on this machine, by their digest, for all its workers.

    objects/ab/cdef…    the copies; what was used last has the latest time
    held/<process>/     second names of those that this process has in use

Removing a copy takes its first name away; who holds it keeps the content by the second one.
So workers need no word with each other. Nothing here is trusted: it is verified when it is
taken, and what is damaged or lost is fetched again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20

STALE = 86_400.0
"""Seconds after which nobody writes a draft any more."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)


class LocalCache:
    """`limit` is in bytes, and may be exceeded by a sixteenth for each process that adds.
    Its methods block; they may be called from several threads."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._objects = folder / "objects"
        self._holders = folder / "held"
        self._limit = limit
        self._held: dict[str, int] = {}
        self._mine: Path | None = None
        self._lock = -1
        self._total = 0
        self._added = limit  # so that the first addition looks how much there is
        self._guard = threading.RLock()

    def take(self, digest: str) -> Path | None:
        """Holds a copy, if there is one that is as it should be."""
        with self._guard:
            if self._held.get(digest):
                return self._hold(digest, self._path(digest))
        path = self._path(digest)
        try:
            if sha256(path)[0] == digest:
                return self._hold(digest, path)
            path.unlink(missing_ok=True)
        except OSError:
            return None  # not there, or no more
        return None

    def draft(self) -> Path:
        """A new, empty file, to be filled and kept, or removed."""
        self._objects.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._objects, prefix="new-")
        os.close(descriptor)
        return Path(name)

    def keep(self, draft: Path, digest: str) -> Path:
        """Makes a draft the copy of this content, and holds it."""
        draft.chmod(0o444)
        size = draft.stat().st_size
        held = self._hold(digest, draft)
        path = self._path(digest)
        path.parent.mkdir(exist_ok=True)
        draft.replace(path)
        with self._guard:
            self._make_room(size)
        return held

    def release(self, digest: str) -> None:
        with self._guard:
            left = self._held.get(digest, 0) - 1
            if left > 0:
                self._held[digest] = left
            elif left == 0:
                del self._held[digest]
                (self._own() / digest).unlink(missing_ok=True)

    def close(self) -> None:
        with self._guard:
            if self._mine is not None:
                shutil.rmtree(self._mine, ignore_errors=True)
                os.close(self._lock)
                self._mine = None
                self._held.clear()

    def _path(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:]

    def _hold(self, digest: str, path: Path) -> Path:
        with self._guard:
            name = self._own() / digest
            if not self._held.get(digest):
                _link(path, name)
            self._held[digest] = self._held.get(digest, 0) + 1
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
        return name

    def _own(self) -> Path:
        """The folder of what this process holds. It is locked while the process lives, so
        that others can tell."""
        while self._mine is None:
            self._holders.mkdir(parents=True, exist_ok=True)
            self._bury()
            mine = Path(tempfile.mkdtemp(dir=self._holders, prefix=f"{os.getpid()}-"))
            self._lock = os.open(mine, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            if mine.exists():  # nobody took it for a dead one's before it was locked
                self._mine = mine
            else:
                os.close(self._lock)
        return self._mine

    def _bury(self) -> None:
        """Removes what processes held that are dead, and drafts of theirs."""
        for folder in self._holders.iterdir():
            with contextlib.suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(descriptor)
        for draft in self._objects.glob("new-*"):
            with contextlib.suppress(OSError):
                if draft.stat().st_mtime < time.time() - STALE:
                    draft.unlink()

    def _make_room(self, size: int) -> None:
        self._added += size
        if self._added < self._limit / 16 and self._total + self._added <= self._limit:
            return
        copies = sorted(self._copies())
        self._total, self._added = sum(size for _, size, _ in copies), 0
        for _, of_copy, path in copies:
            if self._total <= self._limit:
                break
            path.unlink(missing_ok=True)
            self._total -= of_copy

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._objects.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path


def _link(path: Path, name: Path) -> None:
    """A second name; where the file system has no such thing, a second copy."""
    name.unlink(missing_ok=True)
    try:
        name.hardlink_to(path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(path, name)
        name.chmod(0o444)


def sha256(path: Path) -> tuple[str, int]:
    """The digest of a file's content, and its size."""
    with path.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
        return digest, data.tell()


def copy(source: Path, target: Path) -> tuple[str, int]:
    """Copies a file: the digest and size of what was copied, whatever happens to the source
    meanwhile."""
    sha, size = hashlib.sha256(), 0
    with source.open("rb") as data, target.open("wb") as written:
        while chunk := data.read(CHUNK):
            sha.update(chunk)
            size += written.write(chunk)
    return sha.hexdigest(), size
