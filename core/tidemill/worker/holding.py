"""What one attempt holds of stored files: released when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tidemill.ports import Artifacts, StoredFile


@dataclass(slots=True)
class Held:
    artifacts: Artifacts
    _paths: dict[str, Path] = field(default_factory=dict)

    async def put(self, source: Path) -> StoredFile:
        return await self.artifacts.put(source)

    async def get(self, digest: str) -> Path:
        if digest not in self._paths:
            self._paths[digest] = await self.artifacts.get(digest)
        return self._paths[digest]

    async def renew(self, digest: str) -> None:
        await self.artifacts.renew(digest)

    def release(self) -> None:
        while self._paths:
            self.artifacts.release(self._paths.popitem()[0])
