"""Objects put, got, found, listed and removed, in one process."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

import asyncio
import time
import tracemalloc
from pathlib import Path

import pytest

from tidemill.spi import ArtifactNotFoundError, ArtifactStore, StoreContext
from tidemill.testing.artifact_store.bench import (
    MEGABYTE,
    Subject,
    a_file,
    a_large_file,
    all_of,
    content_of,
    digest_of,
)

ODD_KEYS = (
    "a", "0", "a.b", "a-b", "a/b", "a/b.c/d-e", "a/b/c/d/e/f/g", "a.json", "x" * 200,
    "artifacts/ab/cdef", "results/ab/cd.json", "young/ab/cdef", "collecting/ab/one",
)  # fmt: skip


@pytest.mark.asyncio
class Objects(Subject):
    # put, get, find

    @pytest.mark.parametrize(
        "content", [b"", b"x", "grüße, 世界 🌊".encode(), bytes(range(256)) * 9]
    )
    async def test_what_was_put_is_got(
        self, store: ArtifactStore, tmp_path: Path, content: bytes
    ) -> None:
        await store.put("some/key", a_file(tmp_path, content))
        assert await content_of(store, "some/key", tmp_path) == content
        found = await store.find("some/key")
        assert found is not None
        assert (found.key, found.size) == ("some/key", len(content))
        assert abs(found.modified - time.time()) < 60

    async def test_the_source_is_left_alone(self, store: ArtifactStore, tmp_path: Path) -> None:
        source = a_file(tmp_path, b"content")
        source.chmod(0o444)
        await store.put("some/key", source)
        assert source.read_bytes() == b"content"
        await store.put("some/key", source)

    async def test_a_target_that_is_there_is_overwritten(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        await store.put("some/key", a_file(tmp_path, b"new"))
        target = tmp_path / "target"
        target.write_bytes(b"old and longer")
        await store.get("some/key", target)
        assert target.read_bytes() == b"new"

    async def test_what_is_not_there(self, store: ArtifactStore, tmp_path: Path) -> None:
        await store.put("some/key", a_file(tmp_path, b"content"))
        for key in ("other", "some", "some/ke", "some/key/below", "some/key2"):
            assert await store.find(key) is None, key
            with pytest.raises(ArtifactNotFoundError):
                await store.get(key, tmp_path / "target")

    async def test_a_key_that_is_put_again_is_replaced(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        await store.put("some/key", a_file(tmp_path, b"first and longer"))
        await store.put("some/key", a_file(tmp_path, b"second"))
        assert await content_of(store, "some/key", tmp_path) == b"second"
        found = await store.find("some/key")
        assert found is not None
        assert found.size == len(b"second")
        assert [each.key for each in await all_of(store)] == ["some/key"]

    async def test_a_key_that_is_put_again_is_young(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        source = a_file(tmp_path, b"content")
        await store.put("some/key", source)
        first = await store.find("some/key")
        assert first is not None
        until = time.monotonic() + 2 * self.resolution + 5
        while time.monotonic() < until:
            await asyncio.sleep(self.resolution / 4)
            await store.put("some/key", source)
            again = await store.find("some/key")
            assert again is not None
            if again.modified > first.modified:
                return
        raise AssertionError("it is as old as it was")

    async def test_odd_keys(self, store: ArtifactStore, tmp_path: Path) -> None:
        # `a` and `a/b` cannot both be paths: a store of files is not asked for that.
        keys = [key for key in ODD_KEYS if key not in ("a", "a/b")]
        for key in keys:
            await store.put(key, a_file(tmp_path, key.encode()))
        for key in keys:
            assert await content_of(store, key, tmp_path) == key.encode()
        assert sorted(each.key for each in await all_of(store)) == sorted(keys)

    # list and remove

    async def test_listing_nothing(self, store: ArtifactStore) -> None:
        assert await all_of(store) == []
        assert await all_of(store, "some/") == []

    async def test_a_prefix_may_end_anywhere(self, store: ArtifactStore, tmp_path: Path) -> None:
        keys = ["artifacts/ab/cd", "artifacts/ab/ce", "artifacts/b/c", "artifactsx", "results/ab"]
        for key in keys:
            await store.put(key, a_file(tmp_path, key.encode()))
        for prefix in ("", "a", "artifacts", "artifacts/", "artifacts/ab/", "artifacts/ab/c", "r",
                       "artifacts/ab/cd", "artifacts/ab/cd/", "z", "results/"):  # fmt: skip
            found = await all_of(store, prefix)
            assert sorted(each.key for each in found) == [k for k in keys if k.startswith(prefix)]
        for each in await all_of(store):
            alone = await store.find(each.key)
            assert alone is not None
            assert (alone.key, alone.size) == (each.key, each.size) == (each.key, len(each.key))
            assert abs(alone.modified - each.modified) <= self.resolution

    async def test_a_listing_of_many(self, store: ArtifactStore, tmp_path: Path) -> None:
        """More than stores give in one answer: S3 gives a thousand."""
        source = a_file(tmp_path, b"x")
        keys = [f"many/{i % 4}/{i:04}" for i in range(1100)]
        for i in range(0, len(keys), 50):
            await asyncio.gather(*(store.put(key, source) for key in keys[i : i + 50]))
        assert sorted(each.key for each in await all_of(store, "many/")) == sorted(keys)

    async def test_what_was_removed_is_gone(self, store: ArtifactStore, tmp_path: Path) -> None:
        for key in ("some/key", "some/other"):
            await store.put(key, a_file(tmp_path, b"content"))
        await store.remove("some/key")
        assert await store.find("some/key") is None
        with pytest.raises(ArtifactNotFoundError):
            await store.get("some/key", tmp_path / "target")
        assert [each.key for each in await all_of(store, "some/")] == ["some/other"]
        await store.remove("some/key")
        await store.remove("never/there")
        await store.put("some/key", a_file(tmp_path, b"again"))
        assert await content_of(store, "some/key", tmp_path) == b"again"

    # many, and large

    async def test_a_large_object_takes_little_memory(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        source, digest = a_large_file(tmp_path)
        tracemalloc.start()
        try:
            await store.put("large", source)
            await store.get("large", tmp_path / "target")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert digest_of(tmp_path / "target") == digest
        assert peak < self.memory, f"{peak >> 20} MiB"

    async def test_many_put_one_key(self, store: ArtifactStore, tmp_path: Path) -> None:
        contents = [bytes([i]) * (MEGABYTE + i) for i in range(8)]
        sources = [a_file(tmp_path, content) for content in contents]
        await asyncio.gather(*(store.put("some/key", source) for source in sources))
        assert await content_of(store, "some/key", tmp_path) in contents
        assert len(await all_of(store)) == 1

    async def test_who_reads_while_it_is_replaced_reads_one_or_the_other(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        contents = [bytes([i]) * (3 * MEGABYTE + i) for i in range(2)]
        sources = [a_file(tmp_path, content) for content in contents]
        await store.put("some/key", sources[0])

        async def replace() -> None:
            for i in range(12):
                await store.put("some/key", sources[i % 2])

        replacing = asyncio.create_task(replace())
        reads = 0
        while not replacing.done():
            assert await content_of(store, "some/key", tmp_path) in contents
            reads += 1
        await replacing
        assert reads

    # making and closing

    async def test_it_is_closed_twice(self, place: str, context: StoreContext) -> None:
        store = self.make(place, context)
        await store.close()
        await store.close()

    async def test_one_that_was_used_is_closed_twice(
        self, place: str, context: StoreContext, tmp_path: Path
    ) -> None:
        store = self.make(place, context)
        await store.put("some/key", a_file(tmp_path, b"content"))
        await store.close()
        await store.close()

    async def test_another_instance_finds_what_was_there(
        self, place: str, context: StoreContext, tmp_path: Path
    ) -> None:
        first = self.make(place, context)
        await first.put("some/key", a_file(tmp_path, b"content"))
        await first.close()
        second = self.make(place, context)
        try:
            assert await content_of(second, "some/key", tmp_path) == b"content"
        finally:
            await second.close()
