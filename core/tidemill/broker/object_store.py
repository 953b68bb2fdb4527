"""Artifacts in the fleet's own NATS: kind `nats`, as buckets of its Object Store.

What is listed by itself stands in a bucket of its own: a worker that asks whether somebody
collects must not go through all artifacts.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from pydantic import BaseModel, ConfigDict, Field

from tidemill.broker.access import NatsAccess
from tidemill.broker.buckets import BrokenError, Bucket, Description, GoneError, config, declare
from tidemill.broker.connection import connect, words
from tidemill.errors import TidemillError, UsageError
from tidemill.spi import (
    ArtifactError,
    ArtifactNotFoundError,
    ArtifactStoreType,
    StoreContext,
    StoredObject,
)

BUCKET = "tide"
APART = ("artifacts", "results", "young", "collecting")
"""First parts of keys that have buckets of their own: `tide-artifacts` and so on."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class NatsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    replicas: int = Field(1, ge=1, le=5, description="Copies of what is stored, where it makes"
                          " the buckets: 3 takes a cluster of three.")  # fmt: skip
    max_bytes: int = Field(-1, ge=-1, description="Bytes that a bucket takes at most.")


class NatsStore:
    """See `tidemill.spi.ArtifactStore`. It connects when it is first used."""

    def __init__(self, access: NatsAccess, inbox: str, name: str, settings: NatsSettings) -> None:
        self._access = access
        self._inbox = inbox
        self._name = name
        self._settings = settings
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def put(self, key: str, source: Path) -> None:
        with self._told(key):
            await (await self._bucket(_first(key))).put(key, source)

    async def get(self, key: str, target: Path) -> None:
        with self._told(key):
            await (await self._bucket(_first(key))).get(key, target)

    async def find(self, key: str) -> StoredObject | None:
        with self._told(key):
            found = await (await self._bucket(_first(key))).find(key)
        return None if found is None else _object(found)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        for first in _firsts(prefix):
            with self._told(prefix):
                bucket = await self._bucket(first)
            objects = bucket.list()
            while True:
                with self._told(prefix):
                    found = await anext(objects, None)
                if found is None:
                    break
                if found.name.startswith(prefix):
                    yield _object(found)

    async def remove(self, key: str) -> None:
        with self._told(key):
            await (await self._bucket(_first(key))).remove(key)

    async def sweep(self, before: float) -> int:
        """Removes what half uploads left before this time; how many."""
        swept = 0
        for first in ("", *APART):
            with self._told(first):
                swept += await (await self._bucket(first)).sweep(before)
        return swept

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _bucket(self, first: str) -> Bucket:
        async with self._connecting:
            if self._client is None:
                self._client = await connect(self._access, "tidemill artifacts", inbox=self._inbox)
        name = f"{self._name}-{first}" if first else self._name
        return Bucket(self._client, name, self._settings.replicas, self._settings.max_bytes)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """What goes wrong, in words."""
        where = f"NATS at {self._access.shown()}"
        try:
            yield
        except GoneError:
            raise ArtifactNotFoundError(f"{key} is not in {where}") from None
        except BrokenError:
            raise ArtifactError(f"{key} in {where} is not whole") from None
        except TidemillError as error:
            raise ArtifactError(error.message) from None
        except (NatsError, OSError, TimeoutError) as error:
            if isinstance(error, OSError) and error.filename:
                raise ArtifactError(f"{error.filename}: {error.strerror}") from error
            raise ArtifactError(f"{where}: {_words(error)}") from error


def kind(access: NatsAccess | None, inbox: str = "_INBOX") -> ArtifactStoreType:
    """The kind `nats`, which uses the fleet's own connection settings."""
    return ArtifactStoreType(
        "nats",
        NatsSettings,
        functools.partial(_make, access, inbox),
        "Buckets of the Object Store of the fleet's own NATS.",
    )


def _make(
    access: NatsAccess | None, inbox: str, address: str, settings: Any, context: StoreContext
) -> NatsStore:
    del context
    name = address.partition(":")[2].strip("/") or BUCKET
    if not set(name) <= _PLAIN:
        raise UsageError(
            f"{address} is no bucket", "write nats://NAME; which NATS it is says the fleet's `nats`"
        )
    if access is None:
        raise UsageError(
            "artifacts are to be in the fleet's NATS, and it is not said where that is",
            "--nats URL, or TIDEMILL_NATS",
        )
    return NatsStore(access, inbox, name, settings)


async def declare_buckets(jetstream: JetStreamContext, replicas: int) -> None:
    """Those of the fleet, which workers use and may not make."""
    for first in APART:
        await declare(jetstream, config(f"{BUCKET}-{first}", replicas))


def _first(key: str) -> str:
    first, slash, _ = key.partition("/")
    return first if slash and first in APART else ""


def _firsts(prefix: str) -> list[str]:
    """The buckets in which keys with this prefix may be."""
    first, slash, _ = prefix.partition("/")
    if slash:
        return [_first(prefix)]
    return ["", *(each for each in APART if each.startswith(first))]


def _object(found: Description) -> StoredObject:
    return StoredObject(found.name, found.size, found.at)


def _words(error: Exception) -> str:
    said = getattr(error, "description", None)  # of the server itself
    return str(said) if said else words(error)
