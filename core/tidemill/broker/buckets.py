"""Buckets of NATS' Object Store, message by message, as every client of it writes them.

An object's chunks are messages on a subject of their own; the one message that names them
comes last, so that nobody sees an object before it is whole. Reading takes no consumer, which
workers may not make: messages are asked for one by one. Bytes on their way are one chunk.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

CHUNK = 512 << 10
SPARE = 4096
"""Bytes of a chunk, and what of a message is left for its headers."""

TRIES = 20
"""How often an object may be replaced while it is read or put."""

ANSWER_SECONDS = 10.0
PURGE_SECONDS = 2.0
"""A worker may not purge, and is not answered: what is left goes with the next collection."""

_CONFLICT = 10071  # the server's "wrong last sequence"


class GoneError(Exception):
    """There is no such object, or no such bucket."""


class BrokenError(Exception):
    """An object is not what its own description says."""


@dataclass(frozen=True, slots=True)
class Description:
    """`sequence` is the number of the message that says so, `at` when the server got it."""

    name: str
    nuid: str
    size: int
    digest: str
    deleted: bool
    sequence: int
    at: float


class Bucket:
    def __init__(self, client: Client, name: str, replicas: int, max_bytes: int) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        self._name, self._stream = name, f"OBJ_{name}"
        self._config = config(name, replicas, max_bytes)

    async def put(self, name: str, source: Path) -> None:
        nuid = self._client._nuid.next().decode()  # noqa: SLF001  the library's own way
        try:
            size, chunks, digest = await self._send(nuid, source)
            await self._describe(name, nuid, size, chunks, digest)
        except BaseException:
            await asyncio.shield(self._purge(self._chunks(nuid)))
            raise

    async def get(self, name: str, target: Path) -> None:
        """Raises:
        GoneError: there is none.
        BrokenError: it is not whole.
        """
        for _ in range(TRIES):
            found = await self.find(name)
            if found is None:
                raise GoneError
            if await self._receive(found, target):
                return
            if await self.find(name) == found:
                raise BrokenError
        raise BrokenError

    async def find(self, name: str) -> Description | None:
        """Asks the server that leads, so that what was put is seen."""
        try:
            message = await self._jetstream.get_last_msg(self._stream, self._subject(name))
        except NotFoundError:
            return None
        found = _description(message)
        return None if found is None or found.deleted else found

    async def list(self) -> AsyncIterator[Description]:
        sequence = 0
        while True:
            try:
                message = await self._jetstream.get_msg(
                    self._stream, seq=sequence + 1, subject=self._subject(""), next=True
                )
            except NotFoundError:
                return
            sequence = message.seq or 0
            found = _description(message)
            if found is not None and not found.deleted:
                yield found

    async def remove(self, name: str) -> None:
        found = await self.find(name)
        if found is None:
            return
        if not await self._purge(self._subject(name)):
            await self._bury(found)
        await self._purge(self._chunks(found.nuid))

    async def sweep(self, before: float) -> int:
        """Removes chunks that no object has and that were sent before this time: of who
        died while putting, or might not purge. How many such objects there were."""
        try:
            info = await self._jetstream.stream_info(self._stream, self._chunks(">"))
        except NotFoundError:
            return 0
        left = set(info.state.subjects or {})
        left -= {self._chunks(found.nuid) async for found in self.list()}
        return sum([await self._sweep(subject, before) for subject in left])

    # inside

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._name}.C.{nuid}"

    def _subject(self, name: str) -> str:
        """Of an object's description; of all without a name."""
        token = base64.urlsafe_b64encode(name.encode()).decode() or ">"
        return f"$O.{self._name}.M.{token}"

    async def _send(self, nuid: str, source: Path) -> tuple[int, int, str]:
        sha, size, chunks = hashlib.sha256(), 0, 0
        step = min(CHUNK, self._client.max_payload - SPARE)
        with source.open("rb") as data:
            while chunk := await asyncio.to_thread(data.read, step):
                sha.update(chunk)
                size, chunks = size + len(chunk), chunks + 1
                await self._publish(self._chunks(nuid), chunk, {})
        return size, chunks, base64.urlsafe_b64encode(sha.digest()).decode()

    async def _describe(self, name: str, nuid: str, size: int, chunks: int, digest: str) -> None:
        """The last word of a put: in the place of the one that was seen, so that it is
        known whose chunks nobody needs any more."""
        said = {
            "name": name, "bucket": self._name, "nuid": nuid, "size": size, "chunks": chunks,
            "digest": f"SHA-256={digest}", "mtime": datetime.now(UTC).isoformat(),
            "options": {"max_chunk_size": CHUNK},
        }  # fmt: skip
        for _ in range(TRIES):
            before = await self.find(name)
            if await self._say(name, said, 0 if before is None else before.sequence):
                if before is not None and before.size:
                    await self._purge(self._chunks(before.nuid))
                return
        raise BrokenError

    async def _say(self, name: str, said: dict[str, Any], instead_of: int) -> bool:
        headers = {Header.ROLLUP: "sub"}
        if instead_of:
            headers[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(instead_of)
        try:
            await self._publish(self._subject(name), json.dumps(said).encode(), headers)
        except APIError as error:
            if error.err_code == _CONFLICT:
                return False
            raise
        return True

    async def _publish(self, subject: str, data: bytes, headers: dict[Any, str]) -> None:
        send = self._jetstream.publish
        named = {str(getattr(k, "value", k)): v for k, v in headers.items()}
        try:
            await send(subject, data, timeout=ANSWER_SECONDS, headers=named or None)
        except NoStreamResponseError:
            await declare(self._jetstream, self._config)
            await send(subject, data, timeout=ANSWER_SECONDS, headers=named or None)

    async def _receive(self, found: Description, target: Path) -> bool:
        """Whether it was whole."""
        sha, left, sequence = hashlib.sha256(), found.size, 0
        with target.open("wb") as file:
            while left > 0:
                chunk = await self._chunk(found.nuid, sequence + 1)
                if chunk is None or not chunk.data:
                    return False
                sha.update(chunk.data)
                left, sequence = left - len(chunk.data), chunk.seq or 0
                await asyncio.to_thread(file.write, chunk.data)
        digest = base64.urlsafe_b64encode(sha.digest()).decode()
        return left == 0 and digest.rstrip("=") == found.digest.rstrip("=")

    async def _chunk(self, nuid: str, sequence: int) -> RawStreamMsg | None:
        """Of whichever server has it at hand; one may be behind, the leader is not."""
        for direct in (True, False):
            with contextlib.suppress(NotFoundError):
                return await self._jetstream.get_msg(
                    self._stream, seq=sequence, subject=self._chunks(nuid), direct=direct, next=True
                )
        return None

    async def _purge(self, subject: str) -> bool:
        jetstream = self._client.jetstream(timeout=PURGE_SECONDS)
        try:
            return await jetstream.purge_stream(self._stream, subject=subject)
        except (NatsError, OSError, TimeoutError):
            return False

    async def _bury(self, found: Description) -> None:
        """Says that it is deleted, where the message that says it is there may not go."""
        said = {"name": found.name, "bucket": self._name, "nuid": found.nuid, "deleted": True,
                "size": 0, "chunks": 0, "digest": ""}  # fmt: skip
        await self._say(found.name, said, found.sequence)

    async def _sweep(self, subject: str, before: float) -> int:
        try:
            last = await self._jetstream.get_last_msg(self._stream, subject)
        except NotFoundError:
            return 0
        if last.time is None or last.time.timestamp() >= before:
            return 0
        return int(await self._purge(subject))


def config(name: str, replicas: int, max_bytes: int = -1) -> StreamConfig:
    """The stream of a bucket, as every client makes it."""
    return StreamConfig(
        name=f"OBJ_{name}",
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_bytes=max_bytes,
        discard=DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        allow_direct=True,
    )


async def declare(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Makes a bucket that is not there. One that is there is its owner's: only the number of
    copies is brought up to date."""
    try:
        there = (await jetstream.stream_info(wanted.name or "")).config
    except NotFoundError:
        await jetstream.add_stream(wanted)
        return
    if there.num_replicas != wanted.num_replicas:
        await jetstream.update_stream(there.evolve(num_replicas=wanted.num_replicas))


def _description(message: RawStreamMsg) -> Description | None:
    """None where somebody has put something else there."""
    try:
        said = json.loads(message.data or b"")
        at = message.time.timestamp() if message.time else 0.0
        return Description(
            str(said["name"]), str(said["nuid"]), int(said.get("size") or 0),
            str(said.get("digest") or "").partition("=")[2], bool(said.get("deleted")),
            message.seq or 0, at,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
