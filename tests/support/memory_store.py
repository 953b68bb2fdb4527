"""An artifact store in memory, whose calls may take any time, and fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tidemill.spi import ArtifactError, ArtifactNotFoundError, StoredObject


class MemoryStore:
    """`now` says the time. With a `seed` every call waits a random number of turns of the
    loop before and after it does its work."""

    def __init__(self, now: Callable[[], float], seed: int | None = None) -> None:
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.now = now
        self.calls: list[str] = []
        self.failures = 0
        self._random = None if seed is None else random.Random(seed)  # noqa: S311

    async def put(self, key: str, source: Path) -> None:
        await self._called(f"put {key}")
        self.objects[key] = source.read_bytes(), self.now()  # noqa: ASYNC240
        await self._turns()

    async def get(self, key: str, target: Path) -> None:
        await self._called(f"get {key}")
        if key not in self.objects:
            raise ArtifactNotFoundError(key)
        target.write_bytes(self.objects[key][0])  # noqa: ASYNC240
        await self._turns()

    async def find(self, key: str) -> StoredObject | None:
        await self._called(f"find {key}")
        found = self._object(key) if key in self.objects else None
        await self._turns()
        return found

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        await self._called(f"list {prefix}")
        for found in [self._object(key) for key in self.objects if key.startswith(prefix)]:
            yield found
            await self._turns()

    async def remove(self, key: str) -> None:
        await self._called(f"remove {key}")
        self.objects.pop(key, None)
        await self._turns()

    async def close(self) -> None:
        return None

    def _object(self, key: str) -> StoredObject:
        content, modified = self.objects[key]
        return StoredObject(key, len(content), modified)

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        await self._turns()
        if self.failures:
            self.failures -= 1
            raise ArtifactError("the store is away")

    async def _turns(self) -> None:
        if self._random is not None:
            for _ in range(self._random.choice((0, 0, 1, 3, 9))):
                await asyncio.sleep(0)
