"""What one process does, as another one sees it."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.spi import ArtifactNotFoundError, ArtifactStore, StoreContext
from tidemill.testing.artifact_store.bench import (
    Subject,
    a_file,
    a_large_file,
    all_of,
    content_of,
    digest_of,
)

_PUT = """
import asyncio, pickle, sys
kind, address, settings, context, key, source = pickle.load(sys.stdin.buffer)
async def put():
    store = kind.factory(address, settings, context)
    print("begun", flush=True)
    await store.put(key, source)
    print("done", flush=True)
asyncio.run(put())
"""


@pytest.mark.asyncio
class Processes(Subject):
    async def test_what_one_process_puts_another_one_finds(
        self, store: ArtifactStore, place: str, context: StoreContext, tmp_path: Path
    ) -> None:
        with self._putting(place, context, "some/key", a_file(tmp_path, b"content")) as other:
            assert await asyncio.to_thread(other.wait, 60) == 0
        assert await content_of(store, "some/key", tmp_path) == b"content"
        assert [each.key for each in await all_of(store, "some/")] == ["some/key"]

    async def test_a_put_that_is_killed_leaves_nothing_to_read(
        self, store: ArtifactStore, place: str, context: StoreContext, tmp_path: Path
    ) -> None:
        """Killed at several times; at least once in the middle."""
        source, digest = a_large_file(tmp_path)
        unfinished = 0
        for after in (0.0, 0.02, 0.05, 0.1, 0.2):
            with self._putting(place, context, "large", source) as other:
                assert other.stdout is not None
                assert await asyncio.to_thread(other.stdout.readline) == b"begun\n"
                await asyncio.sleep(after)
                other.send_signal(signal.SIGKILL)
                finished = other.stdout.read() == b"done\n"
            unfinished += not finished
            found = await store.find("large")
            if found is not None:  # its last word was on the way
                await store.get("large", tmp_path / "target")
                assert digest_of(tmp_path / "target") == digest
                await store.remove("large")
            else:
                assert not finished
                assert await all_of(store) == []
                with pytest.raises(ArtifactNotFoundError):
                    await store.get("large", tmp_path / "target")
        assert unfinished
        await store.put("large", source)
        await store.get("large", tmp_path / "target")
        assert digest_of(tmp_path / "target") == digest

    def _putting(
        self, place: str, context: StoreContext, key: str, source: Path
    ) -> subprocess.Popen[bytes]:
        order = pickle.dumps((self.store_type(), place, self.settings(), context, key, source))
        other = subprocess.Popen(
            [sys.executable, "-c", _PUT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert other.stdin is not None
        other.stdin.write(order)
        other.stdin.close()
        return other
