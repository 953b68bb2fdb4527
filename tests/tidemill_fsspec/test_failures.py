"""What goes wrong with stores on fsspec is told in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import KEYS, S3Server

from fleet import free_ports
from tidemill.spi import ArtifactError, ArtifactStore, StoreContext
from tidemill_fsspec import S3Settings, tidemill_artifact_stores


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


def make(address: str, settings: S3Settings, folder: Path) -> ArtifactStore:
    (s3,) = [each for each in tidemill_artifact_stores() if each.kind == "s3"]
    return s3.factory(address, settings, StoreContext(folder, folder))


async def test_a_bucket_that_is_not_there(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    store = make("s3://nobody/x", S3Settings(endpoint_url=server.url), tmp_path)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"^s3://nobody/x: .*bucket does not exist"):
        await store.put("a/b", source)


async def test_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (port,) = free_ports(1)
    store = make("s3://b/x", S3Settings(endpoint_url=f"http://127.0.0.1:{port}"), tmp_path)
    with pytest.raises(ArtifactError, match=r"^s3://b/x: .*credentials"):
        await store.find("a/b")


@pytest.mark.parametrize("address", ["s3://", "s3:///", "s3://key:secret@bucket/x"])
def test_an_address_that_makes_no_sense(address: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="BUCKET/PREFIX, without credentials") as caught:
        make(address, S3Settings(), tmp_path)
    assert "secret" not in str(caught.value)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    """The plugin itself is found, and its settings checked, without it."""
    code = f"""
import asyncio, sys
sys.modules["fsspec"] = None
from pathlib import Path
from tidemill.plugins import load
from tidemill.spi import StoreContext
kind = load().artifact_stores.require("s3")
folder = Path({str(tmp_path)!r})
store = kind.factory("s3://b/x", kind.settings(region="eu"), StoreContext(folder, folder))
asyncio.run(store.find("a"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()[-1]
    assert said.endswith(
        "in s3:// need a package that is not installed: pip install 'tidemill[fsspec]'"
    )
