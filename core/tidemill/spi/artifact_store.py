"""The contract of artifact stores: named bytes in a place that all workers reach.

What is content-addressed, checked and cached is the engine's business: a store keeps bytes
under keys, whole or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`size` is in bytes, `modified` when it was last put, in seconds since the epoch in
    UTC."""

    key: str
    size: int
    modified: float


class ArtifactStore(Protocol):
    """Keeps objects under keys: lower-case letters, digits, `-`, `.` and `/` between them.
    One instance serves one process, many calls at a time. Every method is called on the
    event loop and must not block it.

    Each raises `ArtifactError` where the store cannot be reached or used."""

    async def put(self, key: str, source: Path) -> None:
        """Stores a file's content. Nobody ever reads part of it, also if this process dies
        on the way. Putting a key again replaces it, and makes it young again. When this has
        returned, `find` and `list` see it from everywhere."""

    async def get(self, key: str, target: Path) -> None:
        """Writes an object's content to a file, which may be there.

        Raises:
            ArtifactNotFoundError: there is no such object.
        """

    async def find(self, key: str) -> StoredObject | None:
        """What is there under this key."""

    def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Every object whose key starts with this, in any order. What is put or removed
        meanwhile may be among them or not."""

    async def remove(self, key: str) -> None:
        """Removes an object; does nothing where there is none."""

    async def close(self) -> None:
        """Frees every resource."""


@dataclass(frozen=True, slots=True)
class StoreContext:
    """`root` is the project's root, or the folder in which a worker was started: what
    relative paths in an address start from. `scratch` is a folder for temporary files."""

    root: Path
    scratch: Path


@dataclass(frozen=True, slots=True)
class ArtifactStoreType:
    """An artifact store that a plugin offers. `kind` is the scheme of its addresses (`s3` of
    `s3://bucket/prefix`), `settings` the model of what else may stand in the table
    `artifacts` of `tidemill.toml`, and the factory is given the address and an instance of
    the model. `url` and `cache` are no names for settings.

    The factory looks at nothing but its arguments: what is to be reached is reached later."""

    kind: str
    settings: type[BaseModel]
    factory: Callable[[str, Any, StoreContext], ArtifactStore]
    description: str = ""
