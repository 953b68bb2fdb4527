"""Where files and the results of cached steps are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class CachedResult:
    """What a cached step put out once, as the database keeps it: see
    `tidemill.model.outputs`. `parts` are what the key is made of."""

    pipeline: str
    task: str
    run: int
    made_at: float
    outputs: Mapping[str, Any]
    parts: Mapping[str, str]


class Results(Protocol):
    """The results of cached steps, by their keys. Their files are artifacts."""

    async def find(self, key: str) -> CachedResult | None:
        """What was kept last under this key.

        Raises:
            TidemillError: it is damaged, or cannot be read.
        """

    async def keep(self, key: str, result: CachedResult) -> None:
        """Stores it whole or not at all, in the place of an earlier one.

        Raises:
            OSError, TidemillError: it could not be stored.
        """


class Artifacts(Protocol):
    """Content-addressed files."""

    async def put(self, source: Path) -> StoredFile:
        """Stores a file's content. It is not collected before there was time to tell of it.

        Raises:
            OSError: it could not be read or stored.
            TidemillError: it could not be stored.
        """

    async def get(self, digest: str) -> Path:
        """A local, verified, read-only copy of the content, which stays until `release`:
        once for each time that it was got.

        Raises:
            TidemillError: it is not there, or damaged.
        """

    async def renew(self, digest: str) -> None:
        """Content that was stored some time ago is to be told of again: as if it were put
        now.

        Raises:
            TidemillError: it is not there, or damaged.
        """

    def release(self, digest: str) -> None:
        """A copy is used no more."""

    async def close(self) -> None: ...
