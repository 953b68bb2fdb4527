"""The store in a folder keeps the contract of artifact stores."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tidemill.artifacts.file_kind import KIND, folder_of
from tidemill.artifacts.file_store import FileStore
from tidemill.errors import UsageError
from tidemill.spi import ArtifactError, ArtifactStoreType
from tidemill.testing import ArtifactStoreConformance


class TestFileStore(ArtifactStoreConformance):
    resolution = 0.02

    def store_type(self) -> ArtifactStoreType:
        return KIND

    def address(self, folder: Path) -> str:
        return f"file://{folder}/store"


async def test_what_a_killed_writer_left_goes_when_it_is_old(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    await store.put("a/b", source)
    left, lately = tmp_path / "a/.new-1", tmp_path / "a/.new-2"
    left.write_bytes(b"half")
    lately.write_bytes(b"half")
    os.utime(left, (time.time() - 100_000,) * 2)
    assert [each.key async for each in store.list("a/")] == ["a/b"]
    assert (left.exists(), lately.exists()) == (False, True)


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"taken.*: (File exists|Not a directory)"):
        await FileStore(tmp_path / "taken").put("a/b", source)


def test_an_address_names_a_folder(tmp_path: Path) -> None:
    assert folder_of("file:///shared/a%20b", tmp_path) == Path("/shared/a b")
    assert folder_of("file:shared/x", tmp_path) == tmp_path / "shared/x"
    with pytest.raises(UsageError, match="names a host"):
        folder_of("file://shared/x", tmp_path)
