"""Artifacts in a store: put once, verified, copied to the machine, held while in use."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from memory_store import MemoryStore

from tidemill.artifacts.local_cache import LocalCache
from tidemill.artifacts.results import StoredResults
from tidemill.artifacts.stored import StoredArtifacts
from tidemill.errors import TidemillError
from tidemill.model import artifact_keys as keys
from tidemill.ports import CachedResult
from tidemill.testing.clock import VirtualClock

CONTENT = b"content"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
KEY = keys.artifact(DIGEST)


class Bench:
    """`at` is a second worker's machine, on the same store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock(1_000_000.0)
        self.store = MemoryStore(self.clock.now)
        self.here = self.at("here")

    def at(self, name: str, limit: int = 1 << 30) -> StoredArtifacts:
        cache = LocalCache(self.folder / name, limit)
        return StoredArtifacts(self.store, cache, self.clock, "mem:", pauses=(0, 0), silence=0.2)

    def file(self, content: bytes = CONTENT) -> Path:
        path = self.folder / "source"
        path.write_bytes(content)
        return path

    def cached(self, name: str = "here", digest: str = DIGEST) -> Path:
        return self.folder / name / "objects" / digest[:2] / digest[2:]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_what_one_worker_puts_another_one_gets(bench: Bench) -> None:
    stored = await bench.here.put(bench.file())
    assert (stored.digest, stored.size) == (DIGEST, len(CONTENT))
    path = await bench.at("there").get(DIGEST)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444


async def test_what_was_put_lately_is_not_put_again(bench: Bench) -> None:
    await bench.here.put(bench.file())
    await bench.clock.advance(keys.FRESH / 2)
    await bench.at("there").put(bench.file())
    assert bench.store.calls.count(f"put {KEY}") == 1
    assert not [call for call in bench.store.calls if call.startswith("put young")]


async def test_what_is_old_is_made_young_without_being_sent(bench: Bench) -> None:
    for call in (lambda: bench.here.put(bench.file()), lambda: bench.here.renew(DIGEST)):
        bench.store.objects[KEY] = CONTENT, bench.clock.now() - 2 * keys.FRESH
        await call()
        assert bench.store.objects.pop(keys.young(DIGEST)) == (b"", bench.clock.now())
    assert f"put {KEY}" not in bench.store.calls


async def test_what_is_there_is_not_fetched_again(bench: Bench) -> None:
    await bench.here.put(bench.file())
    await bench.here.get(DIGEST)
    there = bench.at("there")
    await there.get(DIGEST)
    there.release(DIGEST)
    await there.get(DIGEST)
    assert bench.store.calls.count(f"get {KEY}") == 1


async def test_many_who_want_one_download_it_once(bench: Bench) -> None:
    await bench.here.put(bench.file())
    there = bench.at("there")
    paths = await asyncio.gather(*(there.get(DIGEST) for _ in range(20)))
    assert bench.store.calls.count(f"get {KEY}") == 1
    for _ in range(19):
        there.release(DIGEST)
    assert paths[0].exists(), "one of them still has it"
    there.release(DIGEST)
    assert not paths[0].exists()


@pytest.mark.parametrize("damage", ["content", "cut", "gone"])
async def test_what_is_damaged_on_the_machine_alone_is_fetched_again(
    bench: Bench, damage: str
) -> None:
    await bench.here.put(bench.file())
    copy = bench.cached()
    copy.chmod(0o644)
    if damage == "gone":
        copy.unlink()
    else:
        copy.write_bytes(b"another" if damage == "content" else CONTENT[:3])
    path = await bench.here.get(DIGEST)
    assert path.read_bytes() == CONTENT
    assert bench.store.calls.count(f"get {KEY}") == 1


async def test_what_is_damaged_in_the_store_is_told_and_can_be_made_again(bench: Bench) -> None:
    bench.store.objects[KEY] = b"another", bench.clock.now()
    with pytest.raises(TidemillError, match=f"artifact {DIGEST[:12]} in mem: is damaged") as caught:
        await bench.here.get(DIGEST)
    assert caught.value.hint == "run the step that makes it again"
    assert not bench.cached().exists()
    await bench.at("there").put(bench.file())
    assert (await bench.here.get(DIGEST)).read_bytes() == CONTENT


async def test_what_only_comes_over_damaged_stays_where_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.at("there").put(bench.file())
    noise = iter(range(10))

    async def get(key: str, target: Path) -> None:
        del key
        target.write_bytes(b"%d" % next(noise))  # noqa: ASYNC240  a few bytes

    monkeypatch.setattr(bench.store, "get", get)
    with pytest.raises(TidemillError, match="comes over damaged, each time in another way"):
        await bench.here.get(DIGEST)
    assert KEY in bench.store.objects


async def test_what_is_not_there_is_told(bench: Bench) -> None:
    with pytest.raises(TidemillError, match=f"artifact {DIGEST[:12]} is not in mem:"):
        await bench.here.get(DIGEST)
    assert bench.store.calls == [f"get {KEY}"], "there is no use in asking again"


async def test_a_store_that_is_away_is_asked_again_a_few_times(bench: Bench) -> None:
    bench.store.failures = 2
    await bench.here.put(bench.file())
    bench.store.failures = 2
    await bench.at("there").get(DIGEST)
    bench.store.failures = 3
    with pytest.raises(TidemillError, match="artifacts: the store is away"):
        await bench.at("elsewhere").get(DIGEST)
    bench.store.failures = 0
    assert await bench.at("elsewhere").get(DIGEST), "nobody is locked out"


async def test_a_file_that_cannot_be_read_is_an_error_of_the_system(bench: Bench) -> None:
    with pytest.raises(FileNotFoundError):
        await bench.here.put(bench.folder / "nothing")


async def test_copies_are_bounded_and_the_one_used_last_stays(bench: Bench) -> None:
    contents = [bytes([i]) * 1000 for i in range(6)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    for content, digest in zip(contents, digests, strict=True):
        bench.store.objects[keys.artifact(digest)] = content, bench.clock.now()
    there = bench.at("there", limit=3000)
    for digest in digests[:3]:
        await there.get(digest)
        there.release(digest)
    await there.get(digests[0])
    there.release(digests[0])
    for digest in digests[3:5]:
        await there.get(digest)
        there.release(digest)
    left = [digest for digest in digests if bench.cached("there", digest).exists()]
    assert left == [digests[0], digests[3], digests[4]]


async def test_what_is_in_use_outlasts_its_copy(bench: Bench) -> None:
    await bench.at("there").put(bench.file())
    here = bench.at("here", limit=1)
    path = await here.get(DIGEST)
    assert not bench.cached().exists()
    assert path.read_bytes() == CONTENT
    assert await here.get(DIGEST) == path
    here.release(DIGEST)
    assert path.read_bytes() == CONTENT
    here.release(DIGEST)
    assert not path.exists()


async def test_what_a_dead_worker_held_is_let_go(bench: Bench) -> None:
    await bench.here.put(bench.file())
    left = bench.folder / "here/held/1-dead"
    left.mkdir()
    (left / DIGEST).write_bytes(CONTENT)
    living = await bench.here.get(DIGEST)
    second = StoredArtifacts(
        bench.store, LocalCache(bench.folder / "here", 99), bench.clock, "mem:"
    )
    await second.get(DIGEST)
    assert not left.exists()
    assert living.exists()


async def test_a_collector_that_is_at_work_is_waited_for(bench: Bench) -> None:
    word = f"{keys.collecting(DIGEST)}one"
    bench.store.objects[word] = b"", bench.clock.now()
    putting = asyncio.create_task(bench.here.put(bench.file()))
    while bench.store.calls.count(f"list {keys.collecting(DIGEST)}") < 2:  # noqa: ASYNC110  its own calls
        await asyncio.sleep(0)
    del bench.store.objects[KEY]  # it took it for old
    del bench.store.objects[word]
    await putting
    assert bench.store.objects[KEY][0] == CONTENT


async def test_a_dead_collector_is_not_waited_for_for_ever(bench: Bench) -> None:
    word = f"{keys.collecting(DIGEST)}one"
    bench.store.objects[word] = b"", bench.clock.now()
    await bench.here.put(bench.file())
    assert KEY in bench.store.objects
    assert word not in bench.store.objects


RESULT = CachedResult("p", "t", 1, 5.0, {"n": 1}, {"script": "abc"})


async def test_results_go_over_the_store(bench: Bench) -> None:
    here = StoredResults(bench.store, bench.clock, bench.folder / "scratch", "mem:")
    assert await here.find("abcdef") is None
    await here.keep("abcdef", RESULT)
    assert await here.find("abcdef") == RESULT
    assert list(bench.store.objects) == ["results/ab/cdef.json"]
    assert list((bench.folder / "scratch").iterdir()) == []


async def test_a_result_that_is_used_is_made_young(bench: Bench) -> None:
    here = StoredResults(bench.store, bench.clock, bench.folder / "scratch", "mem:")
    await here.keep("abcdef", RESULT)
    await bench.clock.advance(2 * keys.FRESH)
    await here.find("abcdef")
    assert bench.store.objects["results/ab/cdef.json"][1] == bench.clock.now()


async def test_a_damaged_result_and_a_store_that_is_away_are_told(bench: Bench) -> None:
    here = StoredResults(bench.store, bench.clock, bench.folder / "scratch", "mem:")
    bench.store.objects["results/ab/cdef.json"] = b"{}", 1.0
    with pytest.raises(TidemillError, match=r"the result results/ab/cdef.json in mem: is damaged"):
        await here.find("abcdef")
    bench.store.failures = 2
    with pytest.raises(TidemillError, match="results: the store is away"):
        await here.find("abcdef")
    with pytest.raises(TidemillError, match="results: the store is away"):
        await here.keep("abcdef", RESULT)
