"""An SSH server of a test's own: a real `sshd` on loopback, with keys and settings of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SETTINGS = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100
"""
SFTP = "Subsystem sftp internal-sftp"


def find() -> str | None:
    """sshd insists on being started by its whole path."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Sshd:
    """Started when it is made. `settings` are further lines of its config. `inside` is what to
    write before its command to have it run on another host, at `address`."""

    def __init__(
        self,
        program: str,
        *settings: str,
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
        sftp: bool = True,
    ) -> None:
        self.address = address
        self.folder = Path(tempfile.mkdtemp(prefix="sshd-of-a-test-"))
        for name in ("host_key", "key"):
            _keygen(self.folder / name)
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        self.user = getpass.getuser()
        self.port = _free_port()
        self.key = str(self.folder / "key")
        self.known_hosts = self.folder / "known_hosts"
        self.trust(self.folder / "host_key.pub")
        config = self.folder / "config"
        lines = [*settings, SFTP] if sftp else settings
        own = "".join(f"{line}\n" for line in lines)  # the first of two settings counts
        config.write_text(
            own + SETTINGS.format(address=address, port=self.port, folder=self.folder)
        )
        (self.folder / "no_config").touch()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it is told to give up its rights
        self._process = subprocess.Popen(
            [*inside, program, "-D", "-e", "-f", str(config)],
            stderr=(self.folder / "log").open("wb"), start_new_session=True,
        )  # fmt: skip
        self._await()

    def trust(self, public: Path) -> None:
        kind, key, *_ = public.read_text().split()
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {kind} {key}\n")

    def settings(self, **changes: object) -> dict[str, object]:
        """What `executor ssh` needs to log in here."""
        return {
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "key": self.key,
            "known_hosts": str(self.known_hosts),
            "config": str(self.folder / "no_config"),
        } | changes

    def connections(self) -> list[int]:
        """The processes that serve one connection each."""
        return _children(self._process.pid)

    def cut(self) -> int:
        """Kills what serves the connections; how many there were."""
        served = [pid for child in self.connections() for pid in [child, *_children(child)]]
        served = [pid for pid in served if b"sshd" in _command(pid)]
        for pid in served:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(served)

    def _await(self) -> None:
        until = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < until:
            with suppress(OSError), socket.create_connection((self.address, self.port), 5) as link:
                if link.recv(4) == b"SSH-":
                    return
            time.sleep(0.02)
        log = (self.folder / "log").read_text()
        self.stop()
        raise AssertionError(f"sshd did not start:\n{log}")

    def stop(self) -> None:
        self.cut()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder)


def _keygen(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it has ended
            if f"\nPPid:\t{parent}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found
