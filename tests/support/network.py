"""A small network of its own inside this machine: hosts that are network namespaces on one
bridge, which is in a namespace too. Nothing of it can be reached from outside, nothing outside
can be reached from it, and each host can be cut off in the ways in which cables and switches
fail. It takes root and iproute2.

Namespaces carry the pid of who made them, and when that process began. Those of the dead go when
the next one comes.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PREFIX = "tide-chaos"
_SUBNET = "10.77.0"
_NOBODY = "02:00:00:00:00:01"
"""The hardware address of no host."""
_FORWARDING, _DISABLED = "3", "0"

SUBNET = f"{_SUBNET}.0/24"

CUTS = ("down", "dark", "mute", "deaf")
"""down: its link is down, and it is told so. dark: nothing passes, and nobody is told. mute: it
hears, and is not heard. deaf: it is heard, and does not hear."""


def missing() -> str:
    """Why there can be no such network here; empty if there can."""
    if os.getuid() != 0:
        return "namespaces of the network take root"
    programs = [
        name
        for name in ("ip", "bridge", "nsenter", "setpriv", "unshare")
        if shutil.which(name) is None
    ]
    if programs:
        return f"{', '.join(programs)}: not installed (iproute2, util-linux)"
    may = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if may.returncode == 0 else "namespaces of the network are not allowed here"


class Network:
    """Call `close`, whatever happens."""

    def __init__(self) -> None:
        sweep()
        self._name = f"{_PREFIX}-{os.getpid()}-{_begun(os.getpid())}"
        self._hub = f"{self._name}-hub"
        self.hosts: dict[str, Host] = {}
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "bridge", "up")
        self._attach("void", ["peer", "name", "abyss"])

    def host(self, name: str) -> Host:
        """The host of this name, which is made where there is none yet."""
        if name not in self.hosts:
            self.hosts[name] = self._make(name)
        return self.hosts[name]

    def _make(self, name: str) -> Host:
        space, address = f"{self._name}-{name}", f"{_SUBNET}.{len(self.hosts) + 10}"
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")
        self._attach(f"v-{name}", ["peer", "name", "eth0", "netns", space])
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        return Host(self, name, space, self._hub, address)

    def _attach(self, device: str, peer: Sequence[str]) -> None:
        _ip("-n", self._hub, "link", "add", device, "type", "veth", *peer)
        _ip("-n", self._hub, "link", "set", device, "master", "bridge", "up")

    def close(self) -> None:
        for host in self.hosts.values():
            _delete(host.space)
        _delete(self._hub)


class Host:
    """One host, with one address. It has at most one cut at a time."""

    def __init__(self, network: Network, name: str, space: str, hub: str, address: str) -> None:
        self._network, self._hub = network, hub
        self.name, self.space, self.address = name, space, address
        self.cut_how = ""
        self._mute: list[str] = []
        shown = _ip("-n", space, "link", "show", "eth0")
        found = re.search(r"link/ether (\S+)", shown)
        assert found is not None, shown
        self._hardware = found[1]

    def inside(self, user: pwd.struct_passwd | None = None) -> list[str]:
        """What to write before a command to have it run on this host, as this user: the
        process is the command's, and dies with the thread that started it."""
        command = ["nsenter", f"--net=/run/netns/{self.space}", "setpriv", "--pdeathsig", "KILL"]
        if user is not None:
            command += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        return command

    def cut(self, how: str) -> None:
        assert not self.cut_how
        self.cut_how = how
        if how == "down":
            _ip("-n", self.space, "link", "set", "eth0", "down")
        elif how == "dark":
            self._port(_DISABLED)
        elif how == "mute":
            others = [host.address for host in self._network.hosts.values() if host is not self]
            self._mute = others
            for address in others:
                self._neighbour("replace", address, "lladdr", _NOBODY, "nud", "permanent")
        else:
            self._frames_to("replace", "static", "sticky")

    def heal(self) -> None:
        how, self.cut_how = self.cut_how, ""
        if how == "down":
            _ip("-n", self.space, "link", "set", "eth0", "up")
        elif how == "dark":
            self._port(_FORWARDING)
        elif how == "mute":
            for address in self._mute:
                self._neighbour("del", address)
        elif how == "deaf":
            self._frames_to("del")

    def _port(self, state: str) -> None:
        _run("bridge", "-n", self._hub, "link", "set", "dev", f"v-{self.name}", "state", state)

    def _neighbour(self, verb: str, address: str, *what: str) -> None:
        _ip("-n", self.space, "neigh", verb, address, *what, "dev", "eth0")

    def _frames_to(self, verb: str, *flags: str) -> None:
        """Frames for this host go where nobody is."""
        _run(
            "bridge", "-n", self._hub, "fdb", verb, self._hardware, "dev", "void", "master", *flags
        )


def sweep() -> None:
    """Removes what killed tests have left: their processes, and their namespaces."""
    for path in sorted(Path("/run/netns").glob(f"{_PREFIX}-*-*-*")):
        pid, begun, _ = path.name.removeprefix(f"{_PREFIX}-").split("-", 2)
        if _begun(int(pid)) != begun:
            _delete(path.name)


def _begun(pid: int) -> str:
    """When the process with this pid began, in ticks since the machine did; "" if there is
    none. A pid alone may be somebody else's by now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _delete(space: str) -> None:
    for pid in _ip("netns", "pids", space).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "del", space)


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
