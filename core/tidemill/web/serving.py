"""The server as a process: it listens, answers, and stops when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Iterator

import uvicorn

from tidemill.app.applying import nudge
from tidemill.app.fleet import Fleet
from tidemill.app.health import Health
from tidemill.app.processes.waiting import Stop, patiently
from tidemill.app.serving import store_of
from tidemill.app.webhooks import Webhooks
from tidemill.clock import SystemClock
from tidemill.errors import UsageError
from tidemill.project import Project
from tidemill.web.application import application

log = logging.getLogger("tidemill")

MOST = 200
"""Requests that are answered at a time; more are told to come later."""


async def run_server(
    project: Project, where: Fleet, listen: str, *, everywhere: bool, health: Health
) -> None:
    """Answers until SIGTERM.

    Raises:
        UsageError: it cannot listen there.
        TidemillError: the database cannot be used. One that cannot be reached is waited for.
    """
    stop, clock = Stop(), SystemClock()
    with stop.listening(), contextlib.closing(_socket(listen, everywhere=everywhere)) as ear:
        store = await patiently(lambda: asyncio.to_thread(store_of, project, where), stop)
        if store is None:
            return
        webhooks, waking = Webhooks(store, clock, project.root), Waking(project)
        server = _Server(
            uvicorn.Config(
                application(webhooks, waking.wake),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST,
                timeout_graceful_shutdown=10,
            )
        )
        health.check("server", lambda: server.started)
        serving = asyncio.create_task(server.serve([ear]))
        log.info("answering at http://%s", _shown(ear))
        try:
            drained = asyncio.create_task(stop.drain.wait())
            await asyncio.wait({serving, drained}, return_when=asyncio.FIRST_COMPLETED)
            drained.cancel()
        finally:
            server.should_exit = True
            await serving
            await waking.close()
            await webhooks.close()
    log.info("stopped")


class _Server(uvicorn.Server):
    """One that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Waking:
    """Tells schedulers that something was stored, one errand at a time."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._wanted = False
        self._going: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._wanted = True
        if self._going is None or self._going.done():
            self._going = asyncio.get_running_loop().create_task(self._go())

    async def _go(self) -> None:
        while self._wanted:
            self._wanted = False
            await asyncio.to_thread(nudge, self._project, 0)

    async def close(self) -> None:
        if self._going is not None:
            await self._going


def _socket(listen: str, *, everywhere: bool) -> socket.socket:
    host, colon, port = listen.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen is {listen!r}", "write it as HOST:PORT: 127.0.0.1:8321")
    try:
        family, _, _, _, at = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        if not ipaddress.ip_address(at[0]).is_loopback and not everywhere:
            raise UsageError(
                f"--listen {listen} can be reached from other machines, without TLS",
                "put a proxy with TLS before 127.0.0.1, or say --everywhere",
            )
        return socket.create_server(at[:2], family=family, backlog=MOST)
    except OSError as error:
        raise UsageError(f"--listen {listen}: {error.strerror}") from None


def _shown(ear: socket.socket) -> str:
    host, port = ear.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
