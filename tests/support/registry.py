"""A registry of images with a login, as Debian packages it, on the loopback of a test's own
engine: which takes 127.0.0.0/8 for registries that may be spoken to without TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker_images
import registry_proxy
from docker_engine import Engine

NEEDED = ("docker-registry", "htpasswd", "nsenter")
USER, PASSWORD = "ci", "pass:w0rd/of-the_registry"
PORT, PROXY = 5000, 5001
"""The engine's namespace is its own: nobody else is there."""
IMAGE = f"127.0.0.1:{PORT}/team/busybox:1"

_CONFIG = """version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {0}/data}}}}
http: {{addr: "127.0.0.1:{1}"}}
auth: {{htpasswd: {{realm: tests, path: {0}/htpasswd}}}}
"""


def missing() -> str:
    """Why there can be no registry here; empty if there can."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


class Registry:
    """Started when it is made, with one image in it, `IMAGE`, whose `digest` is known."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.folder = Path(tempfile.mkdtemp(prefix="registry-of-a-test-"))
        (self.folder / "config.yml").write_text(_CONFIG.format(self.folder, PORT))
        made = subprocess.run(
            ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
        ).stdout
        (self.folder / "htpasswd").write_text(made)
        self.start()
        self.push()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            serve = ["docker-registry", "serve", str(self.folder / "config.yml")]
            self._process = inside(self._engine, *serve, output=log.fileno())
        _await_port(self._engine, PORT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def asked(self, what: str) -> int:
        """How often it was asked for one, by a method and the beginning of a path."""
        lines = (self.folder / "log").read_text().splitlines()
        return sum(f'"{what}' in line for line in lines)

    def push(self) -> None:
        """Another image of this name, with a layer that is nowhere else, and does not become
        smaller when it is packed."""
        (self.folder / "random").write_bytes(os.urandom(1 << 20))
        docker = self._engine.docker
        made = docker("create", docker_images.BUSYBOX, "true").strip()
        docker("cp", str(self.folder / "random"), f"{made}:/random")
        docker("commit", made, IMAGE)
        docker("rm", made)
        self.log_in(PASSWORD)
        docker("push", IMAGE)
        shown = json.loads(docker("inspect", IMAGE))[0]["RepoDigests"]
        docker("logout", f"127.0.0.1:{PORT}")
        docker("rmi", IMAGE)
        self.digest = str(shown[0].partition("@")[2])

    def log_in(self, password: str) -> None:
        self._engine.docker("login", "-u", USER, "-p", password, f"127.0.0.1:{PORT}")


@contextmanager
def proxy(engine: Engine, mode: str) -> Iterator[str]:
    """Stands before the registry, and does it harm. Gives where it is reached."""
    program = [sys.executable, registry_proxy.__file__, mode, str(PROXY), str(PORT)]
    process = inside(engine, *program)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"127.0.0.1:{PROXY}"
    finally:
        process.kill()
        process.communicate()


def inside(engine: Engine, *command: str, output: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A program in the engine's network."""
    enter = ["nsenter", f"--net=/proc/{engine.daemon}/ns/net"]
    return subprocess.Popen([*enter, *command], stdout=output, stderr=output)


def _await_port(engine: Engine, port: int) -> None:
    until = time.monotonic() + 30
    look = f"import socket; socket.create_connection(('127.0.0.1', {port})).close()"
    while True:
        tried = inside(engine, sys.executable, "-c", look)
        tried.communicate()
        if tried.returncode == 0:
            return
        assert time.monotonic() < until, "the registry did not start"
        time.sleep(0.1)
