"""Liveness and readiness over HTTP, for whoever watches processes: `/livez` answers as long
as the process does its rounds, `/readyz` when it is of use."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tidemill.errors import UsageError

ANSWER_SECONDS = 2.0
"""How long the event loop may take to answer before the process counts as dead."""


class Health:
    """Checks by name. They are asked on the event loop: one that hangs is no life."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], bool]] = {}

    def check(self, name: str, passes: Callable[[], bool]) -> None:
        self._checks[name] = passes

    def state(self) -> dict[str, bool]:
        return {name: passes() for name, passes in self._checks.items()}

    def serve(self, address: str) -> ThreadingHTTPServer:
        """Answers at HOST:PORT from a thread of its own. Call it on the event loop.

        Raises:
            UsageError: it is no address, or cannot be listened on.
        """
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise UsageError(f"--health is {address!r}", "write it as HOST:PORT: 127.0.0.1:8080")
        loop = asyncio.get_running_loop()

        async def state() -> dict[str, bool]:
            return self.state()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, lambda: asyncio.run_coroutine_threadsafe(state(), loop))

            def log_message(self, *_: Any) -> None:
                """Said nowhere: it comes every few seconds."""

        try:
            server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except OSError as error:
            raise UsageError(f"--health {address}: {error.strerror}") from None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server


def _answer(handler: BaseHTTPRequestHandler, ask: Callable[[], Any]) -> None:
    if handler.path not in {"/livez", "/readyz"}:
        handler.send_error(404)
        return
    asked = ask()
    try:
        found = asked.result(ANSWER_SECONDS)
    except TimeoutError:
        asked.cancel()
        found = {"event loop": False}
    good = bool(found) and all(found.values())
    if handler.path == "/livez":
        good = "event loop" not in found and found.get("turns", True)
    body = json.dumps({"ok": good, "checks": found}).encode() + b"\n"
    handler.send_response(200 if good else 503)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
