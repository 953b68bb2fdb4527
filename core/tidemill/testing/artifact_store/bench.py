"""What an author supplies, and the files that the suite puts and gets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tidemill.spi import ArtifactStore, ArtifactStoreType, StoreContext, StoredObject

MEGABYTE = 1 << 20
LARGE = 100 * MEGABYTE


class Subject:
    """The store that is tried."""

    resolution = 1.0
    """Seconds that two times may be apart and yet be given as the same."""

    memory = 48 * MEGABYTE
    """Bytes that Python may have allocated at once while a large object passes."""

    def store_type(self) -> ArtifactStoreType:
        raise NotImplementedError

    def address(self, folder: Path) -> str:
        """Of a new, empty place; `folder` is one for this test alone."""
        raise NotImplementedError

    def settings(self) -> Any:
        return self.store_type().settings()

    @pytest.fixture
    def context(self, tmp_path: Path) -> StoreContext:
        (tmp_path / "scratch").mkdir()
        return StoreContext(tmp_path, tmp_path / "scratch")

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return self.address(tmp_path)

    @pytest_asyncio.fixture
    async def store(self, place: str, context: StoreContext) -> AsyncIterator[ArtifactStore]:
        store = self.make(place, context)
        yield store
        await store.close()

    def make(self, place: str, context: StoreContext) -> ArtifactStore:
        return self.store_type().factory(place, self.settings(), context)


def a_file(folder: Path, content: bytes) -> Path:
    path = folder / f"source-{hashlib.sha256(content).hexdigest()[:16]}"
    if not path.exists():
        path.write_bytes(content)
    return path


def a_large_file(folder: Path) -> tuple[Path, str]:
    path = folder / "source-large"
    with path.open("wb") as file:
        for i in range(LARGE // MEGABYTE):
            file.write(os.urandom(1024) * 1023 + bytes([i]) * 1024)
    return path, digest_of(path)


def digest_of(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


async def content_of(store: ArtifactStore, key: str, folder: Path) -> bytes:
    target = folder / "got"
    await store.get(key, target)
    return target.read_bytes()


async def all_of(store: ArtifactStore, prefix: str = "") -> Sequence[StoredObject]:
    return [each async for each in store.list(prefix)]
