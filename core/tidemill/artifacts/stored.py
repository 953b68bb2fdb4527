"""Artifacts in any artifact store of `tidemill.spi`, with copies on this machine.

Content is stored once, under its digest. Whoever has made or used it again sees to it that
it is there and young, and that no collector that took it for old can still remove it:
`docs/adr/0020-put-against-collect.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tidemill.artifacts.local_cache import LocalCache, copy, sha256
from tidemill.errors import TidemillError
from tidemill.model import artifact_keys as keys
from tidemill.ports import Clock, StoredFile
from tidemill.spi import ArtifactError, ArtifactNotFoundError, ArtifactStore

T = TypeVar("T")

PAUSES = (0.2, 1.0, 4.0)
"""Seconds before what has failed is tried again."""

LOOKS = 2
"""Downloads of an object until it counts as damaged, not the way to it."""

TRIES = 5
"""How often content may be removed under our hands until we give up."""

POLL_SECONDS = 0.1
"""Between two looks whether a collector is still at work."""


class StoredArtifacts:
    """See `tidemill.ports.Artifacts`. `where` is the store's address, to be shown."""

    def __init__(
        self,
        store: ArtifactStore,
        cache: LocalCache,
        clock: Clock,
        where: str,
        *,
        pauses: Sequence[float] = PAUSES,
        silence: float = keys.SILENCE,
    ) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._where = where
        self._pauses = pauses
        self._silence = silence
        self._alone: dict[str, tuple[asyncio.Lock, int]] = {}

    async def put(self, source: Path) -> StoredFile:
        async with self._draft() as draft:
            digest, size = await asyncio.to_thread(copy, source, draft)
            held = await asyncio.to_thread(self._cache.keep, draft, digest)
        try:
            await self._secure(digest, held)
        finally:
            self._cache.release(digest)
        return StoredFile(digest, size)

    async def get(self, digest: str) -> Path:
        async with self._one_at_a_time(digest):
            held = await asyncio.to_thread(self._cache.take, digest)
            return held or await self._fetch(digest)

    async def renew(self, digest: str) -> None:
        held = await self.get(digest)
        try:
            await self._secure(digest, held)
        finally:
            self._cache.release(digest)

    def release(self, digest: str) -> None:
        self._cache.release(digest)

    async def close(self) -> None:
        self._cache.close()
        await self._store.close()

    # inside

    async def _fetch(self, digest: str) -> Path:
        wrong = set()
        for _ in range(LOOKS):
            async with self._draft() as draft:
                await self._download(digest, draft)
                found, _ = await asyncio.to_thread(sha256, draft)
                if found == digest:
                    return await asyncio.to_thread(self._cache.keep, draft, digest)
                wrong.add(found)
        what = f"artifact {digest[:12]} in {self._where}"
        if len(wrong) > 1:
            raise TidemillError(f"{what} comes over damaged, each time in another way")
        # What is wrong twice in the same way is wrong there. Only what is not there is put.
        with contextlib.suppress(ArtifactError):
            await self._store.remove(keys.artifact(digest))
        raise TidemillError(f"{what} is damaged: it is removed", "run the step that makes it again")

    async def _download(self, digest: str, draft: Path) -> None:
        try:
            await self._again(lambda: self._store.get(keys.artifact(digest), draft))
        except ArtifactNotFoundError:
            raise TidemillError(
                f"artifact {digest[:12]} is not in {self._where}",
                "run the step that makes it again",
            ) from None

    async def _secure(self, digest: str, path: Path) -> None:
        """Returns when the content is there, and nobody removes it for a while."""
        key = keys.artifact(digest)
        for _ in range(TRIES):
            found = await self._again(lambda: self._store.find(key))
            if found is not None and self._clock.now() - found.modified < keys.FRESH:
                return
            said = key if found is None else keys.young(digest)
            if found is None:
                await self._again(lambda: self._store.put(key, path))
            else:
                await self._mark(said)
            # Who begins to collect from here on sees that it is young. Who began before has
            # said so before, and says it until nothing more is removed.
            await self._collected(keys.collecting(digest))
            if all([await self._there(key), await self._there(said)]):
                return
        raise TidemillError(f"artifact {digest[:12]} is removed from {self._where} again and again")

    async def _there(self, key: str) -> bool:
        return await self._again(lambda: self._store.find(key)) is not None

    async def _mark(self, key: str) -> None:
        async with self._draft() as empty:
            await self._again(lambda: self._store.put(key, empty))

    async def _collected(self, prefix: str) -> None:
        """Waits until no collector is at work on such content. One that is silent for long
        is dead, and what it has said is removed."""
        loop, heard = asyncio.get_running_loop(), dict[str, tuple[float, float]]()
        while words := await self._again(lambda: self._words(prefix)):
            for key, modified in words:
                last, since = heard.get(key, (-1.0, 0.0))
                if last != modified:
                    heard[key] = modified, loop.time()
                elif loop.time() - since > self._silence:
                    await self._again(lambda gone=key: self._store.remove(gone))  # type: ignore[misc]
            await asyncio.sleep(POLL_SECONDS)

    async def _words(self, prefix: str) -> list[tuple[str, float]]:
        return [(word.key, word.modified) async for word in self._store.list(prefix)]

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        for pause in self._pauses:
            try:
                return await call()
            except ArtifactNotFoundError:
                raise
            except ArtifactError:
                await asyncio.sleep(pause)
        try:
            return await call()
        except ArtifactNotFoundError:
            raise
        except ArtifactError as error:
            raise TidemillError(f"artifacts: {error}") from None

    @asynccontextmanager
    async def _draft(self) -> AsyncIterator[Path]:
        draft = await asyncio.to_thread(self._cache.draft)
        try:
            yield draft
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    @asynccontextmanager
    async def _one_at_a_time(self, digest: str) -> AsyncIterator[None]:
        lock, waiting = self._alone.get(digest, (asyncio.Lock(), 0))
        self._alone[digest] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._alone.pop(digest)
            if waiting > 1:
                self._alone[digest] = lock, waiting - 1
