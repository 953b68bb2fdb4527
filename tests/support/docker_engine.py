"""A Docker engine of a test's own: in namespaces of its own, so that whatever becomes of it
no container, network, mount or firewall rule is left behind, and no other engine is met."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

NEEDED = ("dockerd", "docker", "docker-compose", "unshare", "ip", "iptables", "dpkg-query", "tar")

START = (
    "ip link set lo up && mkdir {0}/data && mount -t tmpfs -o size={1} tmpfs {0}/data"
    " && set -- dockerd --data-root {0}/data --exec-root {0}/exec"
    " --pidfile {0}/pid --host unix://{0}/socket {2} && "
)
"""What it keeps is in memory: it is far quicker to write, and to be rid of."""
ONCE = 'exec "$@"'
AGAIN = (
    "trap 'exit 0' TERM; while :; do rm -f {0}/pid; \"$@\" & wait $!;"
    " while [ -e {0}/away ]; do sleep 0.1; done; done"
)
"""As a machine's supervisor does it: an engine that has ended is started again, but not
while there is a file `away`."""


def missing() -> str:
    """Why there can be no engine here; empty if there can."""
    if os.geteuid() != 0:
        return "an engine of its own takes root"
    absent = [name for name in NEEDED if not _which(name)]
    return f"{', '.join(absent)} not installed" if absent else ""


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Engine:
    """Started when it is made. `env` is how to reach it. `size` bounds the disk that it keeps
    everything on; with `again` it is started again when it has ended; `options` are more of
    dockerd's."""

    def __init__(self, size: str = "50%", *, again: bool = False, options: str = "") -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="docker-of-a-test-")
        )  # a socket's path has to be short
        socket = self.folder / "socket"
        self.again = again
        start = (START + (AGAIN if again else ONCE)).format(self.folder, size, options)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc",
                 "--kill-child", "sh", "-c", start],
                stdout=log, stderr=log,
                env=os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            )  # fmt: skip
        self.env = {name: text for name, text in os.environ.items() if name[:8] != "TIDEMILL"}
        self.env |= {"DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0"}
        self.env |= {"COMPOSE_DOCKER_CLI_BUILD": "0", "DOCKER_CONFIG": str(self.folder)}
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            if (
                subprocess.run(["docker", "info"], env=self.env, capture_output=True).returncode
                == 0
            ):
                return
            time.sleep(0.2)
        self.stop()
        raise AssertionError(f"dockerd did not start:\n{self.log}")

    @property
    def daemon(self) -> int:
        """The pid of dockerd."""
        (first,) = children(self.process.pid)
        return next((pid for pid in children(first) if _is_daemon(pid)), 0) if self.again else first

    @property
    def data(self) -> Path:
        """Where it keeps everything, as it is seen from here."""
        (first,) = children(self.process.pid)
        return Path(f"/proc/{first}/root/{self.folder}/data")

    def docker(self, *arguments: str, within: float = 60) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            env=self.env, capture_output=True, text=True, check=False, timeout=within,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        """dockerd is the first process in there: all others end with it."""
        for child in children(self.process.pid):
            os.kill(child, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log = (self.folder / "log").read_text("utf-8", "replace")[-3000:]
        shutil.rmtree(self.folder)


def _is_daemon(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"
    return False


def children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it has ended
            if f"\nPPid:\t{parent}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found
