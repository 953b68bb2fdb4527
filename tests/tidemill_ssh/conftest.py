"""Hosts of the tests: SSH servers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sshd import Sshd, find


def _start(*settings: str, **more: Any) -> Sshd:
    program = find()
    if program is None:
        pytest.skip("sshd is not installed")
    return Sshd(program, *settings, **more)


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    """One server for all tests of a module."""
    server = _start()
    yield server
    server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., Sshd]]:
    """Starts servers of a test's own, with these settings."""
    servers: list[Sshd] = []

    def start(*settings: str, **more: Any) -> Sshd:
        servers.append(_start(*settings, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
