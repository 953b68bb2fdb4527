"""The helper process of a `Fence`: `fence_helper.py TIMER URL LABEL FOLDER AFTER`.

It shares a timer with the worker, and kills the containers that have the label when that
goes off, and again and again until it is set anew. When the worker has died (standard
input ends) it removes them, their networks and the folder, and ends; with `wait` for AFTER
it does so only when time is over, unless another worker has taken over. It is a program of
its own, on the standard library alone: it has to be small, and to work while the worker
stands still.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import shutil
import socket
import sys
import threading
import time
from urllib.parse import quote, urlsplit

_AGAIN = 0.1
_PATIENCE = 5.0
_LAST_TRIES = 100
"""After its worker's death: a start that was on its way may come late."""


class _Engine(http.client.HTTPConnection):
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(parts.hostname or "localhost", parts.port or 2375, timeout=_PATIENCE)
        self._path = parts.path if parts.scheme in {"unix", "http+unix"} else ""

    def connect(self) -> None:
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def ask(url: str, method: str, path: str) -> bytes:
    engine = _Engine(url)
    try:
        engine.request(method, path)
        return engine.getresponse().read()
    finally:
        engine.close()


def containers(url: str, label: str, *, stopped: bool) -> list[str]:
    filters = quote(json.dumps({"label": [label]}))
    path = f"/containers/json?all={int(stopped)}&filters={filters}"
    return [str(found["Id"]) for found in json.loads(ask(url, "GET", path))]


def networks(url: str, label: str) -> list[str]:
    path = f"/networks?filters={quote(json.dumps({'label': [label]}))}"
    return [str(found["Id"]) for found in json.loads(ask(url, "GET", path))]


def each(url: str, ids: list[str], method: str, path: str) -> None:
    """All at once: a slow one must not make the others late."""

    def one(container: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(url, method, path.format(container))

    threads = [threading.Thread(target=one, args=(container,)) for container in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def is_over(timer: int) -> bool:
    return bool(select.select([timer], [], [], 0)[0])


def kill(timer: int, url: str, label: str) -> None:
    """What was listed before time was seen to be over is killed; what the worker starts
    after it has set the timer anew is not."""
    ids = containers(url, label, stopped=False)
    if is_over(timer):
        each(url, ids, "POST", "/containers/{}/kill?signal=SIGKILL")


def clear_up(url: str, label: str) -> None:
    quiet = 0
    for _ in range(_LAST_TRIES):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            ids = containers(url, label, stopped=True)
            each(url, ids, "DELETE", "/containers/{}?force=1&v=1")
            nets = networks(url, label)
            each(url, nets, "DELETE", "/networks/{}")
            quiet = 0 if ids or nets else quiet + 1
            if quiet > 10:
                return
        time.sleep(_AGAIN)


def main(timer: int, url: str, label: str, folder: str, after: str) -> None:
    worker = sys.stdin.fileno()
    while True:
        ready = select.select([timer, worker], [], [])[0]
        if worker in ready:
            if after == "wait":
                select.select([timer], [], [])
            clear_up(url, label)
            shutil.rmtree(folder, ignore_errors=True)
            return
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            kill(timer, url, label)
        select.select([worker], [], [], _AGAIN)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:6])
