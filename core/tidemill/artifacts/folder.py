"""Artifacts in a folder: each file's content once, under its SHA-256, read-only."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

from tidemill.errors import TidemillError
from tidemill.ports import StoredFile

_CHUNK = 1 << 20


class FolderArtifacts:
    """See `tidemill.ports.Artifacts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: set[str] = set()

    async def put(self, source: Path) -> StoredFile:
        return await asyncio.to_thread(self._put, source)

    async def get(self, digest: str) -> Path:
        path = self._path(digest)
        if digest not in self._verified:
            await asyncio.to_thread(_verify, path, digest)
            self._verified.add(digest)
        return path

    def _put(self, source: Path) -> StoredFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        sha, size = hashlib.sha256(), 0
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="new-")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as target, source.open("rb") as data:
                while chunk := data.read(_CHUNK):
                    sha.update(chunk)
                    size += target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            partial.chmod(0o444)
            path = self._path(sha.hexdigest())
            path.parent.mkdir(exist_ok=True)
            # A rename is whole or not at all: nobody ever reads half a file.
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return StoredFile(sha.hexdigest(), size)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]


def _verify(path: Path, digest: str) -> None:
    try:
        with path.open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise TidemillError(
            f"artifact {digest[:12]} cannot be read: {error.strerror} ({path})",
            "run the step that makes it again",
        ) from None
    if found != digest:
        raise TidemillError(
            f"artifact {digest[:12]} is damaged ({path})",
            "remove that file and run the step that makes it again",
        )
