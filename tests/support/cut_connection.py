"""A way to a PostgreSQL that can be cut in the moment of committing: before the server hears
of it, or after, before it has answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Cut = str
"""`before`, `after`, or nothing."""


class Wire:
    """Listens on a socket in `folder`, and passes on what comes to the server's in `to`.
    `cuts` is asked at each commit, and says what to do with it."""

    def __init__(self, folder: Path, to: Path, cuts: Callable[[], Cut]) -> None:
        self._to, self._cuts = to / ".s.PGSQL.5432", cuts
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / ".s.PGSQL.5432"))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._to))
            threading.Thread(target=_Pair(client, server, self._cuts).run, daemon=True).start()


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket, cuts: Callable[[], Cut]):
        self._client, self._server, self._cuts = client, server, cuts
        self._mute = False

    def run(self) -> None:
        back = threading.Thread(target=self._answer, daemon=True)
        back.start()
        while data := _received(self._client):
            cut = self._cuts() if b"COMMIT\0" in data else ""
            if cut == "before":
                break
            self._mute = cut == "after"
            with suppress(OSError):
                self._server.sendall(data)
            if self._mute:
                back.join(20)
                break
        for end in (self._client, self._server):
            with suppress(OSError):  # closed alone, it stays open for who still listens
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _answer(self) -> None:
        while data := _received(self._server):
            if self._mute:
                return
            with suppress(OSError):  # it has hung up
                self._client.sendall(data)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""
