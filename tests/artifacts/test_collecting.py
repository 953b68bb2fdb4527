"""Collecting removes what nobody refers to, and nothing that somebody is about to."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from memory_store import MemoryStore

from tidemill.artifacts import folder, stored
from tidemill.artifacts.file_store import FileStore
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.local_cache import LocalCache
from tidemill.artifacts.results import pack
from tidemill.artifacts.stored import StoredArtifacts
from tidemill.clock import SystemClock
from tidemill.engine.collecting import Collect, Collected
from tidemill.errors import TidemillError
from tidemill.model import artifact_keys as keys
from tidemill.model.rows import TaskRef
from tidemill.ports import CachedResult
from tidemill.testing.clock import VirtualClock

DAY = 86_400.0


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Database:
    """Runs that refer to these digests, a few a page."""

    def __init__(self, *used: str) -> None:
        self.used = list(used)

    async def transact(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def files_in_use(
        self, after: TaskRef | None, limit: int
    ) -> tuple[Collection[str], TaskRef | None]:
        del limit
        at = 0 if after is None else after.run
        return self.used[at : at + 2], TaskRef(at + 2, 0) if at + 2 < len(self.used) else None

    async def sync(self) -> None: ...

    async def close(self) -> None: ...


class Bench:
    def __init__(self, seed: int | None = None) -> None:
        self.clock = VirtualClock(10 * DAY)
        self.store = MemoryStore(self.clock.now, seed)

    def add(self, content: bytes, age: float) -> str:
        digest = digest_of(content)
        self.store.objects[keys.artifact(digest)] = content, self.clock.now() - age
        return digest

    def result(self, key: str, age: float, *digests: str) -> None:
        files = [{"name": "x", "digest": digest, "size": 1} for digest in digests]
        data = pack(CachedResult("p", "t", 1, 1.0, {"f": {"$files": files}}, {}))
        self.store.objects[keys.result(key)] = data, self.clock.now() - age

    def has(self, digest: str) -> bool:
        return keys.artifact(digest) in self.store.objects

    def collect(self, *used: str, **options: Any) -> Collect:
        return Collect(self.store, [Database(*used)], self.clock, DAY, 30 * DAY, **options)


async def test_only_what_is_old_and_unused_goes() -> None:
    bench = Bench()
    unused, young, run, kept = (
        bench.add(b"unused", 2 * DAY), bench.add(b"young", DAY / 2),
        bench.add(b"of a run", 2 * DAY), bench.add(b"of a result", 2 * DAY),
    )  # fmt: skip
    bench.result("abcdef", 2 * DAY, kept)
    done = await bench.collect(*("0" * 64 for _ in range(5)), run).once()
    assert [bench.has(digest) for digest in (unused, young, run, kept)] == [False, True, True, True]
    assert done == Collected(objects=1, bytes=6, results=0, kept=3, kept_bytes=24)
    assert [key for key in bench.store.objects if key.startswith("collecting/")] == []


async def test_results_go_by_age_and_their_files_with_them() -> None:
    bench = Bench()
    await bench.clock.advance(100 * DAY)
    digest = bench.add(b"of a result", 40 * DAY)
    bench.result("abcdef", 40 * DAY, digest)
    bench.result("abcd00", 20 * DAY)
    done = await bench.collect().once()
    assert (done.results, done.objects) == (1, 1)
    assert list(bench.store.objects) == [keys.result("abcd00")]


async def test_a_dry_run_removes_nothing_and_says_the_same() -> None:
    bench = Bench()
    for i in range(5):
        bench.add(b"%d" % i, 2 * DAY)
    bench.result("abcdef", 40 * DAY)
    before = dict(bench.store.objects)
    said = await bench.collect(dry=True).once()
    assert bench.store.objects == before
    assert await bench.collect().once() == said == Collected(5, 5, 1, 0, 0)


async def test_what_was_used_again_is_young() -> None:
    bench = Bench()
    digest = bench.add(b"content", 5 * DAY)
    bench.store.objects[keys.young(digest)] = b"", bench.clock.now() - DAY / 2
    assert (await bench.collect().once()).objects == 0
    await bench.clock.advance(DAY)
    assert (await bench.collect().once()).objects == 1
    assert bench.store.objects == {}


async def test_batches_do_not_change_what_goes() -> None:
    bench = Bench()
    digests = [bench.add(b"%d" % i, 2 * DAY) for i in range(50)]
    used = digests[::3]
    done = await bench.collect(*used, batch=7).once()
    assert [bench.has(digest) for digest in digests] == [digest in used for digest in digests]
    assert done.objects == 50 - len(used)


async def test_what_is_not_ours_is_left_alone() -> None:
    bench = Bench()
    bench.store.objects |= {"artifacts/readme": (b"", 1.0), "other/ab/cd": (b"", 1.0)}
    before = dict(bench.store.objects)
    await bench.collect().once()
    assert bench.store.objects == before


@pytest.mark.parametrize("seed", range(150))
async def test_what_a_step_puts_or_uses_again_outlasts_all_collectors(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two collectors and three workers on the same old content, in any order of calls."""
    monkeypatch.setattr(stored, "POLL_SECONDS", 0)
    bench = Bench(seed)
    contents = [b"a", b"b"]
    digests = [bench.add(content, 2 * DAY) for content in contents]

    def worker(number: int) -> StoredArtifacts:
        cache = LocalCache(tmp_path / str(number), 1 << 20)
        return StoredArtifacts(bench.store, cache, bench.clock, "mem:")

    async def put(number: int) -> str:
        source = tmp_path / f"source-{number}"
        source.write_bytes(contents[number % 2])
        return (await worker(number).put(source)).digest

    async def use(number: int) -> str | None:
        try:
            await worker(number).renew(digests[0])
        except TidemillError:
            return None  # it was collected before: the step runs
        return digests[0]

    works = [put(0), put(1), use(2)]
    collectors = [bench.collect().once() for _ in range(2)]
    *told, _, _ = await asyncio.gather(*works, *collectors)
    for digest in told:
        assert digest is None or bench.has(digest)
    # and the next collection leaves it, too
    await bench.collect().once()
    for digest in told:
        assert digest is None or bench.has(digest)


@pytest.mark.parametrize("how", ["put", "renew"])
async def test_a_step_that_ends_while_a_folder_is_collected_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The collector has seen that the file is old, and removes it when the step has put it."""
    monkeypatch.setattr(folder, "POLL_SECONDS", 0.001)
    artifacts = FolderArtifacts(tmp_path / "artifacts")
    source = tmp_path / "source"
    source.write_bytes(b"content")
    digest = (await artifacts.put(source)).digest
    path = tmp_path / keys.artifact(digest)
    os.utime(path, (time.time() - 2 * DAY,) * 2)
    steps: list[asyncio.Task[Any]] = []

    class Slow(FileStore):
        async def remove(self, key: str) -> None:
            if key == keys.artifact(digest):
                call = artifacts.put(source) if how == "put" else artifacts.renew(digest)
                steps.append(asyncio.create_task(call))
                while path.stat().st_mtime < time.time() - DAY:  # noqa: ASYNC110  a file's time
                    await asyncio.sleep(0.001)
            await super().remove(key)

    collect = Collect(Slow(tmp_path), [Database()], SystemClock(), DAY, 30 * DAY)
    await collect.once()
    (step,) = steps
    if how == "put":
        await step
        assert path.read_bytes() == b"content"
    else:
        with pytest.raises(TidemillError, match="it was collected"):
            await step
