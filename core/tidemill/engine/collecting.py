"""Collecting artifacts that nothing refers to, and results of cached steps that are old,
beside steps that go on. `docs/adr/0020-put-against-collect.md` says why this is safe.

What is looked at is bounded: candidates in batches, the database in pages.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tidemill.model import artifact_keys as keys
from tidemill.model.rows import TaskRef
from tidemill.ports import Clock, Store
from tidemill.spi import ArtifactNotFoundError, ArtifactStore, StoredObject

BATCH = 100_000
"""Candidates that are looked at together: for each batch, all that is in use is read once."""

PAGE = 5_000
"""Tasks that are read in one transaction."""

AT_ONCE = 16
"""Calls of the store at a time."""

FORGOTTEN = 3600.0
"""Seconds after which the word of a collector that died is taken away."""

_DIGEST = re.compile(rb"[0-9a-f]{64}")


@dataclass(slots=True)
class Collected:
    """`objects`, `bytes` and `results` are what was removed, or would be; `kept` and
    `kept_bytes` the artifacts that stay."""

    objects: int = 0
    bytes: int = 0
    results: int = 0
    kept: int = 0
    kept_bytes: int = 0


@dataclass(slots=True)
class Collect:
    """`databases` are all whose runs may refer to what is in the store. Artifacts go that
    are unused and older than `age`, results that were not used for `results_age`; both in
    seconds, `age` at least `LEAST_AGE`."""

    store: ArtifactStore
    databases: Sequence[Store]
    clock: Clock
    age: float
    results_age: float
    dry: bool = False
    batch: int = BATCH
    done: Collected = field(default_factory=Collected)

    async def once(self) -> Collected:
        """Raises:
        ArtifactError: the store cannot be used; what was removed stays so.
        TidemillError: a database cannot be used.
        """
        await self._drop_results()
        batch: dict[str, int] = {}
        async for found in self.store.list(keys.ARTIFACTS):
            self.done.kept += 1
            self.done.kept_bytes += found.size
            digest = keys.digest_of(found.key)
            if digest is not None and self._is_old(found, self.age):
                batch[digest] = found.size
                if len(batch) >= self.batch:
                    await self._collect(batch)
                    batch = {}
        await self._collect(batch)
        await self._forget()
        return self.done

    async def _drop_results(self) -> None:
        async for found in self.store.list(keys.RESULTS):
            if self._is_old(found, self.results_age):
                self.done.results += 1
                if not self.dry:
                    await self.store.remove(found.key)

    async def _collect(self, batch: dict[str, int]) -> None:
        await self._spare_what_runs_have(batch)
        await self._spare_what_results_have(batch)
        for prefix, group in groupby(sorted(batch), key=lambda digest: digest[:2]):
            await self._remove_all(prefix, list(group), batch)

    async def _spare_what_runs_have(self, batch: dict[str, int]) -> None:
        for database in self.databases:
            after: TaskRef | None = None
            while batch:
                used, after = await database.transact(
                    lambda tx, after=after: tx.files_in_use(after, PAGE)  # type: ignore[misc]
                )
                _spare(batch, used)
                if after is None:
                    break

    async def _spare_what_results_have(self, batch: dict[str, int]) -> None:
        if not batch:
            return
        reading: set[asyncio.Task[None]] = set()
        with tempfile.TemporaryDirectory() as folder:
            async for found in self.store.list(keys.RESULTS):
                if not self._is_old(found, self.results_age):
                    path = Path(folder) / secrets.token_hex(8)
                    reading.add(asyncio.create_task(self._spare_what_it_has(batch, found, path)))
                if len(reading) >= AT_ONCE:
                    reading = await _one_less(reading)
            while reading:
                reading = await _one_less(reading)

    async def _spare_what_it_has(
        self, batch: dict[str, int], found: StoredObject, path: Path
    ) -> None:
        """All that looks like a digest: rather too much than too little."""
        try:
            await self.store.get(found.key, path)
        except ArtifactNotFoundError:
            return
        data = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(path.unlink)
        _spare(batch, (text.decode() for text in _DIGEST.findall(data)))

    async def _remove_all(self, prefix: str, group: list[str], batch: dict[str, int]) -> None:
        if self.dry:
            for digest in group:
                self._count(batch[digest])
            return
        async with self._saying(prefix) as word:
            for i in range(0, len(group), AT_ONCE):
                some = group[i : i + AT_ONCE]
                removed = await asyncio.gather(*(self._remove(digest, word) for digest in some))
                for digest, gone in zip(some, removed, strict=True):
                    if gone:
                        self._count(batch[digest])

    def _count(self, size: int) -> None:
        self.done.objects += 1
        self.done.bytes += size
        self.done.kept -= 1
        self.done.kept_bytes -= size

    async def _remove(self, digest: str, word: _Word) -> bool:
        """Whether it was still old once everybody could know of us."""
        key, mark = keys.artifact(digest), keys.young(digest)
        while True:
            await word.renew()
            for each in (key, mark):
                found = await self.store.find(each)
                if found is not None and not self._is_old(found, self.age):
                    return False
            if word.is_good:
                break
        await self.store.remove(key)
        await self.store.remove(mark)
        return True

    @asynccontextmanager
    async def _saying(self, prefix: str) -> AsyncIterator[_Word]:
        with tempfile.NamedTemporaryFile() as empty:
            key = f"{keys.collecting(prefix)}{secrets.token_hex(8)}"
            word = _Word(self.store, self.clock, key, Path(empty.name))
            try:
                yield word
            finally:
                await self.store.remove(key)

    async def _forget(self) -> None:
        """What says that something is young when it is no more, or that a collector is at
        work which has died."""
        if self.dry:
            return
        async for found in self.store.list(keys.COLLECTING):
            if self._is_old(found, FORGOTTEN):
                await self.store.remove(found.key)
        marks: list[str] = []
        async for found in self.store.list(keys.YOUNG):
            digest = keys.digest_of(found.key)
            if digest is not None and self._is_old(found, self.age):
                marks.append(digest)
            if len(marks) >= self.batch:
                await self._forget_marks(marks)
                marks = []
        await self._forget_marks(marks)

    async def _forget_marks(self, marks: list[str]) -> None:
        for prefix, group in groupby(sorted(marks), key=lambda digest: digest[:2]):
            async with self._saying(prefix) as word:
                for digest in group:
                    await word.renew()
                    found = await self.store.find(keys.young(digest))
                    if found is not None and self._is_old(found, self.age) and word.is_good:
                        await self.store.remove(found.key)

    def _is_old(self, found: StoredObject, age: float) -> bool:
        return self.clock.now() - found.modified > age


@dataclass(slots=True)
class _Word:
    """What we say while we remove; who uses content again waits until it is taken back."""

    store: ArtifactStore
    clock: Clock
    key: str
    empty: Path
    _said_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def renew(self) -> None:
        async with self._lock:
            now = self.clock.now()
            if now - self._said_at > keys.SILENCE / 4:
                await self.store.put(self.key, self.empty)
                self._said_at = now

    @property
    def is_good(self) -> bool:
        """Nobody has taken us for dead."""
        return self.clock.now() - self._said_at < keys.SILENCE / 2


def _spare(batch: dict[str, int], used: Iterable[str]) -> None:
    for digest in used:
        batch.pop(digest, None)


async def _one_less(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left
