"""Artifacts in NATS' Object Store, against a real server."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.api import ObjectMeta

from tidemill.broker import object_store
from tidemill.broker.access import NatsAccess
from tidemill.broker.connection import connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.object_store import NatsSettings, NatsStore
from tidemill.errors import UsageError
from tidemill.spi import ArtifactError, ArtifactStoreType, StoreContext
from tidemill.testing import ArtifactStoreConformance

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsAccess]:
    server = EmbeddedServer(tmp_path_factory.mktemp("nats"))
    yield server.start()
    server.stop()


@pytest_asyncio.fixture
async def client(access: NatsAccess) -> AsyncIterator[Client]:
    client = await connect(access, "test")
    yield client
    await client.close()


class TestNatsStore(ArtifactStoreConformance):
    resolution = 0.02

    @pytest.fixture(autouse=True)
    def _server(self, access: NatsAccess) -> None:
        self.access = access

    def store_type(self) -> ArtifactStoreType:
        return object_store.kind(self.access)

    def address(self, folder: Path) -> str:
        del folder
        return f"nats://b{next(NUMBERS)}"


@pytest_asyncio.fixture
async def store(access: NatsAccess) -> AsyncIterator[NatsStore]:
    store = NatsStore(access, "_INBOX", f"s{next(NUMBERS)}", NatsSettings())
    yield store
    await store.close()


def a_file(folder: Path, content: bytes) -> Path:
    path = folder / "source"
    path.write_bytes(content)
    return path


async def test_other_clients_of_the_object_store_read_and_write_it(
    store: NatsStore, client: Client, tmp_path: Path
) -> None:
    await store.put("artifacts/ab/cd", a_file(tmp_path, b"x" * 1_000_000))
    bucket = await client.jetstream().object_store(f"{store._name}-artifacts")  # noqa: SLF001
    assert (await bucket.get("artifacts/ab/cd")).data == b"x" * 1_000_000
    await bucket.put("artifacts/ab/ce", b"theirs", ObjectMeta())
    await store.get("artifacts/ab/ce", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"theirs"
    await bucket.delete("artifacts/ab/ce")
    assert await store.find("artifacts/ab/ce") is None
    assert [each.key async for each in store.list("artifacts/")] == ["artifacts/ab/cd"]


async def test_what_half_an_upload_left_is_swept_when_it_is_old(
    store: NatsStore, client: Client, tmp_path: Path
) -> None:
    await store.put("artifacts/ab/cd", a_file(tmp_path, b"whole"))
    stream, name = client.jetstream(), store._name  # noqa: SLF001
    await stream.publish(f"$O.{name}-artifacts.C.half", b"half")
    assert await store.sweep(time.time() - 100) == 0
    assert await store.sweep(time.time() + 100) == 1
    assert (await stream.stream_info(f"OBJ_{name}-artifacts")).state.messages == 2
    await store.get("artifacts/ab/cd", tmp_path / "target")


async def test_replaced_and_removed_objects_leave_nothing(
    store: NatsStore, client: Client, tmp_path: Path
) -> None:
    for content in (b"first", b"second"):
        await store.put("artifacts/ab/cd", a_file(tmp_path, content))
    stream, name = client.jetstream(), store._name  # noqa: SLF001
    assert (await stream.stream_info(f"OBJ_{name}-artifacts")).state.messages == 2
    await store.remove("artifacts/ab/cd")
    assert (await stream.stream_info(f"OBJ_{name}-artifacts")).state.messages == 0


async def test_an_object_that_has_lost_a_chunk_is_told(
    store: NatsStore, client: Client, tmp_path: Path
) -> None:
    await store.put("artifacts/ab/cd", a_file(tmp_path, b"x" * 1_000_000))
    name = store._name  # noqa: SLF001
    await client.jetstream().delete_msg(f"OBJ_{name}-artifacts", 2)
    with pytest.raises(ArtifactError, match=r"artifacts/ab/cd in NATS at .* is not whole"):
        await store.get("artifacts/ab/cd", tmp_path / "target")


async def test_a_bucket_that_is_full_is_told(access: NatsAccess, tmp_path: Path) -> None:
    settings = NatsSettings(max_bytes=100_000)
    store = NatsStore(access, "_INBOX", f"s{next(NUMBERS)}", settings)
    try:
        with pytest.raises(ArtifactError, match="maximum bytes exceeded"):
            await store.put("artifacts/ab/cd", a_file(tmp_path, b"x" * 1_000_000))
        assert await store.find("artifacts/ab/cd") is None
    finally:
        await store.close()


async def test_a_server_that_is_not_there_is_told() -> None:
    store = NatsStore(NatsAccess("nats://127.0.0.1:1"), "_INBOX", "b", NatsSettings())
    with pytest.raises(ArtifactError, match=r"NATS at nats://127.0.0.1:1 cannot be reached"):
        await store.find("artifacts/ab/cd")


def test_an_address_names_a_bucket_and_no_server(access: NatsAccess, tmp_path: Path) -> None:
    context = StoreContext(tmp_path, tmp_path)
    make = object_store.kind(access).factory
    with pytest.raises(UsageError, match=r"nats://nats.example:4222 is no bucket"):
        make("nats://nats.example:4222", NatsSettings(), context)
    with pytest.raises(UsageError, match="it is not said where that is"):
        object_store.kind(None).factory("nats:", NatsSettings(), context)
