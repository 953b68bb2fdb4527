"""An authority that tests trust, and servers with certificates of it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from web_server import WebServer


@dataclass(frozen=True)
class Authority:
    """`file` holds its certificate."""

    ca: trustme.CA
    file: Path

    def server(self, *names: str, **options: object) -> ssl.SSLContext:
        """What a server needs to be one of these names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*(names or ("localhost",)), **options).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Authority(ca, file)


@pytest_asyncio.fixture
async def web(authority: Authority) -> AsyncIterator[WebServer]:
    async with WebServer(authority.server()) as server:
        yield server
