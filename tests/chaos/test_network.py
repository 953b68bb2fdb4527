"""The network of the chaos test: hosts can speak, are cut off, heal, and leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import network
import pytest
from network import CUTS, Host, Network

ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 5000))
print("ready", flush=True)
while True:
    caller = server.accept()[0]
    caller.sendall(b"hello")
    caller.close()
"""
CALL = """
import socket, sys
try:
    caller = socket.create_connection((sys.argv[1], 5000), 0.7)
    caller.settimeout(0.7)
    print(caller.recv(100))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def hosts() -> Iterator[Network]:
    if why := network.missing():
        pytest.skip(why)
    made = Network()
    yield made
    made.close()


@contextmanager
def echoing(host: Host) -> Iterator[None]:
    command = [*host.inside(), sys.executable, "-c", ECHO, host.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            server.kill()


def call(caller: Host | None, host: Host) -> str:
    """What is heard from it. None calls from outside."""
    inside = [] if caller is None else caller.inside()
    command = [*inside, sys.executable, "-c", CALL, host.address]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("name", ["one", "other"])
def test_who_is_cut_off_cannot_be_spoken_with_until_it_has_healed(
    hosts: Network, how: str, name: str
) -> None:
    one, other, third = hosts.host("one"), hosts.host("other"), hosts.host("third")
    with echoing(other):
        assert call(one, other) == "b'hello'"
        hosts.host(name).cut(how)
        assert call(one, other) in {"TimeoutError", "OSError"}
        if name == "one":
            assert call(third, other) == "b'hello'", "the others can still speak"
        hosts.host(name).heal()
        assert call(one, other) == "b'hello'"


def test_nothing_of_it_can_be_reached_from_outside(hosts: Network) -> None:
    host = hosts.host("one")
    with echoing(host):
        assert "hello" not in call(None, host)


@pytest.mark.usefixtures("hosts")
def test_what_a_killed_test_leaves_is_removed_by_the_next() -> None:
    made = (
        "import subprocess, sys, time\n"
        f"sys.path.insert(0, {str(Path(network.__file__).parent)!r})\n"
        "from network import Network\n"
        "host = Network().host('one')\n"
        "child = subprocess.Popen([*host.inside(), 'sleep', '1000'])\n"
        "print(host.space, child.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", made], stdout=subprocess.PIPE, text=True) as test:
        assert test.stdout is not None
        space, child = test.stdout.readline().split()
        left = Path("/run/netns") / space
        assert left.exists()
        network.sweep()
        assert left.exists(), "it is in use"
        test.send_signal(signal.SIGKILL)
    network.sweep()
    assert not left.exists()
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text()
