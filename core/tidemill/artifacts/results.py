"""The results of cached steps in a folder: a small file each, named by its key.

A file is the SHA-256 of what follows on a line, then JSON. It is written beside its place
and renamed, so nobody reads half of one; and whatever a disk does to it is noticed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from tidemill.errors import TidemillError
from tidemill.ports import CachedResult


class FolderResults:
    """See `tidemill.ports.Results`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, key: str) -> CachedResult | None:
        return await asyncio.to_thread(self._find, key)

    async def keep(self, key: str, result: CachedResult) -> None:
        await asyncio.to_thread(self._keep, key, result)

    def _find(self, key: str) -> CachedResult | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise TidemillError(f"{path}: {error.strerror}", "mend or remove it") from None
        digest, _, body = data.partition(b"\n")
        try:
            if digest.decode("ascii") != hashlib.sha256(body).hexdigest():
                raise ValueError("its digest is another")
            return CachedResult(**json.loads(body))
        except (ValueError, TypeError):
            raise TidemillError(f"{path} is damaged", "it is replaced by the next one") from None

    def _keep(self, key: str, result: CachedResult) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = json.dumps(asdict(result), separators=(",", ":")).encode()
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="new-")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.json"
