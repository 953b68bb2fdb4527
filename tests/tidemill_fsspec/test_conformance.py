"""Artifact stores on fsspec keep the contract: on S3's protocol, on files, in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_server import KEYS, S3Server

from tidemill.spi import ArtifactStore, ArtifactStoreType, StoreContext
from tidemill.testing import ArtifactStoreConformance
from tidemill.testing.artifact_store import Objects
from tidemill_fsspec import S3Settings, tidemill_artifact_stores
from tidemill_fsspec.settings import Settings
from tidemill_fsspec.store import FsspecStore

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.bucket("tests")
        yield server
    finally:
        server.stop()


class TestS3(ArtifactStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = server.url
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)

    def store_type(self) -> ArtifactStoreType:
        (found,) = [each for each in tidemill_artifact_stores() if each.kind == "s3"]
        return found

    def settings(self) -> S3Settings:
        return S3Settings(endpoint_url=self.url, region="us-east-1")

    def address(self, folder: Path) -> str:
        del folder
        return f"s3://tests/p{next(NUMBERS)}"


def local(address: str, settings: Any, context: StoreContext) -> ArtifactStore:
    """A file system that shows what is put while it comes."""
    del settings, context
    return FsspecStore("file", address, Settings(), whole=False)


def in_memory(address: str, settings: Any, context: StoreContext) -> ArtifactStore:
    del settings, context
    return FsspecStore("memory", address, Settings(), whole=False)


class TestLocalFiles(Objects):
    resolution = 0.02

    def store_type(self) -> ArtifactStoreType:
        return ArtifactStoreType("local", S3Settings, local)

    def address(self, folder: Path) -> str:
        return f"{folder}/store"


class TestMemory(Objects):
    resolution = 0.02
    memory = 1 << 30  # it is all there

    def store_type(self) -> ArtifactStoreType:
        return ArtifactStoreType("memory", S3Settings, in_memory)

    def address(self, folder: Path) -> str:
        del folder
        return f"/p{next(NUMBERS)}"
