"""The servers and processes of a benchmark: each on a free port or a socket of its own, with
its files in a temporary folder, and gone when the benchmark is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 60.0


class Missing(Exception):
    """Something is not installed, or did not start; the text says what."""


class Process:
    """A program in a session of its own, so that what it starts ends with it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        talks: bool = False,
    ) -> None:
        self.log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        pipe = subprocess.PIPE if talks else None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | (env or {}),
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                start_new_session=True,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, line: str) -> None:
        """Writes a line, and waits for one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise Missing(f"it ended: {self.tail()}")

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """As `kill -9` does: without a word, and not those that it has started."""
        self._process.kill()
        self._process.wait()

    def stop(self, within: float = 8.0) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        with suppress(ProcessLookupError):  # what it has left behind
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def tail(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return " / ".join(lines[-3:])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def until(reached: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if reached():
            return
        time.sleep(0.02)
    raise Missing(f"not within {within:g} s: {what}")


@contextmanager
def redis(folder: Path, durable: str) -> Iterator[str]:
    """`durable`: "everysec" (what its documentation advises: a second may be lost),
    "always" (nothing is) or "no" (memory alone)."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("there is no redis-server here")
    port = free_port()
    written = ["no"] if durable == "no" else ["yes", "--appendfsync", durable]
    process = Process(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
         "--appendonly", *written], folder,
    )  # fmt: skip
    yield from _served(process, port, f"redis://127.0.0.1:{port}/0")


@contextmanager
def nats(folder: Path) -> Iterator[str]:
    """With JetStream on files, as Tidemill's own is."""
    program = str(Path(sys.executable).with_name("nats-server"))
    port = free_port()
    command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder / "nats"]
    process = Process(command, folder)
    yield from _served(process, port, f"nats://127.0.0.1:{port}")


def _served(process: Process, port: int, url: str) -> Iterator[str]:
    try:
        until(lambda: _listens(port) or not process.alive(), f"port {port}: {process.tail()}")
        if not process.alive():
            raise Missing(process.tail())
        yield url
    finally:
        process.stop()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
