"""The results of cached steps: a small file each, named by its key.

A file is the SHA-256 of what follows on a line, then JSON. It is written beside its place
and renamed, so nobody reads half of one; and whatever a disk does to it is noticed. One that
is used is made young again: old ones are collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from tidemill.artifacts.file_store import NEW
from tidemill.errors import TidemillError
from tidemill.model import artifact_keys as keys
from tidemill.ports import CachedResult, Clock
from tidemill.spi import ArtifactError, ArtifactNotFoundError, ArtifactStore


def pack(result: CachedResult) -> bytes:
    body = json.dumps(asdict(result), separators=(",", ":")).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpack(data: bytes, where: object) -> CachedResult:
    """Raises:
    TidemillError: it is damaged.
    """
    digest, _, body = data.partition(b"\n")
    try:
        if digest.decode("ascii") != hashlib.sha256(body).hexdigest():
            raise ValueError("its digest is another")
        return CachedResult(**json.loads(body))
    except (ValueError, TypeError):
        raise TidemillError(f"{where} is damaged", "it is replaced by the next one") from None


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
        result = unpack(data, path)
        with contextlib.suppress(OSError):
            os.utime(path)
        return result

    def _keep(self, key: str, result: CachedResult) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=NEW)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pack(result))
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.json"


class StoredResults:
    """The same in any artifact store. `scratch` is for files on their way."""

    def __init__(self, store: ArtifactStore, clock: Clock, scratch: Path, where: str) -> None:
        self._store = store
        self._clock = clock
        self._scratch = scratch
        self._where = where

    async def find(self, key: str) -> CachedResult | None:
        path = await asyncio.to_thread(self._draft)
        name = keys.result(key)
        try:
            await self._store.get(name, path)
            data = await asyncio.to_thread(path.read_bytes)
            result = unpack(data, f"the result {name} in {self._where}")
            with contextlib.suppress(ArtifactError):  # it is used all the same
                await self._renew(name, path)
        except ArtifactNotFoundError:
            return None
        except ArtifactError as error:
            raise TidemillError(f"results: {error}") from None
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return result

    async def keep(self, key: str, result: CachedResult) -> None:
        path = await asyncio.to_thread(self._draft)
        try:
            await asyncio.to_thread(path.write_bytes, pack(result))
            await self._store.put(keys.result(key), path)
        except ArtifactError as error:
            raise TidemillError(f"results: {error}") from None
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _renew(self, name: str, path: Path) -> None:
        found = await self._store.find(name)
        if found is not None and self._clock.now() - found.modified > keys.FRESH:
            await self._store.put(name, path)

    def _draft(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._scratch, prefix="result-")
        os.close(descriptor)
        return Path(name)
