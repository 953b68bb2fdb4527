"""An artifact store in a folder: kind `file`. A key is a path in it.

A file is written beside its place, put on the disk and renamed, so nobody reads half of one,
whoever dies. What such a death leaves behind is removed when it is a day old.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tidemill.spi import ArtifactError, ArtifactNotFoundError, StoredObject

T = TypeVar("T")

NEW = ".new-"
"""What the names of files begin with that are being written: no key has such a name."""

STALE = 86_400.0
"""Seconds after which nobody writes such a file any more."""


class FileStore:
    """See `tidemill.spi.ArtifactStore`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, source: Path) -> None:
        await self._do(self._put, key, source)

    async def get(self, key: str, target: Path) -> None:
        await self._do(self._get, key, target)

    async def find(self, key: str) -> StoredObject | None:
        return await self._do(self._find, key)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """A folder at a time."""
        folder, _, _ = prefix.rpartition("/")
        todo = [folder]
        while todo:
            here = todo.pop()
            folders, files = await self._do(self._look, here)
            todo += [each for each in folders if _leads(f"{each}/", prefix)]
            for found in files:
                if found.key.startswith(prefix):
                    yield found

    async def remove(self, key: str) -> None:
        await self._do(self._remove, key)

    async def close(self) -> None:
        return None

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await asyncio.to_thread(work, *arguments)
        except OSError as error:
            where = error.filename or self._root
            raise ArtifactError(f"{where}: {error.strerror or error}") from error

    def _put(self, key: str, source: Path) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=NEW)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as target, source.open("rb") as data:
                shutil.copyfileobj(data, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            partial.chmod(0o444)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _get(self, key: str, target: Path) -> None:
        try:
            shutil.copyfile(self._root / key, target)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if error.filename == str(target):
                raise
            raise ArtifactNotFoundError(f"{self._root / key} is not there") from None

    def _find(self, key: str) -> StoredObject | None:
        try:
            found = (self._root / key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISDIR(found.st_mode):
            return None
        return StoredObject(key, found.st_size, found.st_mtime)

    def _look(self, folder: str) -> tuple[Sequence[str], Sequence[StoredObject]]:
        """What is in a folder: folders and objects, by their keys."""
        folders, files = [], []
        for entry in _entries(self._root / folder):
            key = f"{folder}/{entry.name}" if folder else entry.name
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                if entry.is_dir():
                    folders.append(key)
                elif entry.name.startswith(NEW):
                    _sweep(entry)
                else:
                    found = entry.stat()
                    files.append(StoredObject(key, found.st_size, found.st_mtime))
        return folders, files

    def _remove(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (self._root / key).unlink()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


def _leads(folder: str, prefix: str) -> bool:
    """Whether there may be keys with this prefix in a folder."""
    return folder.startswith(prefix) or prefix.startswith(folder)


def _sweep(entry: os.DirEntry[str]) -> None:
    if entry.stat().st_mtime < time.time() - STALE:
        Path(entry).unlink(missing_ok=True)
