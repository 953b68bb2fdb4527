"""Artifacts in a folder of this machine: each file's content once, under its SHA-256,
read-only. What is used is that very file, so nothing is copied twice.

The folder is `artifacts` of a `FileStore`, and collected like it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from tidemill.artifacts.file_store import NEW
from tidemill.artifacts.local_cache import copy, sha256
from tidemill.errors import TidemillError
from tidemill.model import artifact_keys as keys
from tidemill.ports import StoredFile

POLL_SECONDS = 0.05


class FolderArtifacts:
    """See `tidemill.ports.Artifacts`."""

    def __init__(self, folder: Path, *, silence: float = keys.SILENCE) -> None:
        self._folder = folder
        self._silence = silence
        self._verified: set[str] = set()

    async def put(self, source: Path) -> StoredFile:
        return await asyncio.to_thread(self._put, source)

    async def get(self, digest: str) -> Path:
        path = self._path(digest)
        if digest not in self._verified:
            await asyncio.to_thread(_verify, path, digest)
            self._verified.add(digest)
        return path

    async def renew(self, digest: str) -> None:
        await asyncio.to_thread(self._renew, digest)

    def release(self, digest: str) -> None:
        """What was given is the stored file itself."""

    async def close(self) -> None:
        return None

    def _put(self, source: Path) -> StoredFile:
        stored = self._write(source)
        # Who collects may have taken the file that was there before for old.
        while not self._is_there_to_stay(stored.digest):
            stored = self._write(source)
        return stored

    def _write(self, source: Path) -> StoredFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=NEW)
        partial = Path(name)
        try:
            digest, size = copy(source, partial)
            os.fsync(descriptor)
            partial.chmod(0o444)
            path = self._path(digest)
            path.parent.mkdir(exist_ok=True)
            # A rename is whole or not at all: nobody ever reads half a file.
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return StoredFile(digest, size)

    def _renew(self, digest: str) -> None:
        path = self._path(digest)
        try:
            os.utime(path)
        except OSError as error:
            raise _unreadable(path, digest, error) from None
        if not self._is_there_to_stay(digest):
            raise _unreadable(path, digest, FileNotFoundError(0, "it was collected"))

    def _is_there_to_stay(self, digest: str) -> bool:
        """Waits until no collector is at work on such content."""
        words = self._folder.parent / keys.collecting(digest)
        while _somebody_speaks(words, self._silence):
            time.sleep(POLL_SECONDS)
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]


def _somebody_speaks(words: Path, silence: float) -> bool:
    """Whether a collector that lives is at work: here all go by one clock."""
    try:
        return any(
            not word.name.startswith(NEW) and time.time() - word.stat().st_mtime < silence
            for word in words.iterdir()
        )
    except FileNotFoundError:  # the folder, or a word that was taken back meanwhile
        return _somebody_speaks(words, silence) if words.exists() else False


def _verify(path: Path, digest: str) -> None:
    try:
        found, _ = sha256(path)
    except OSError as error:
        raise _unreadable(path, digest, error) from None
    if found != digest:
        raise TidemillError(
            f"artifact {digest[:12]} is damaged ({path})",
            "remove that file and run the step that makes it again",
        )


def _unreadable(path: Path, digest: str, error: OSError) -> TidemillError:
    return TidemillError(
        f"artifact {digest[:12]} cannot be read: {error.strerror} ({path})",
        "run the step that makes it again",
    )
