"""Where a worker that has been started again finds a keeper: a socket with a secret name.

The user of a step may be the worker's own, so a step could find the name, too. But a keeper
hears nobody who descends from a keeper or a warden: no step does otherwise.
"""

# pathlib would take as long to import as all the rest of this program:
# ruff: noqa: PTH108, PTH123

from __future__ import annotations

import contextlib
import os
import socket
import struct

PATIENCE = 2.0
"""Seconds for what has to be said first."""

HELPERS = frozenset({b"tide-keeper", b"tide-warden"})
_CREDENTIALS = struct.Struct("3i")


def reach(folder: str, name: str, sock: socket.socket, *, listen: bool) -> None:
    """Binds or connects it. A path may be longer than what a socket takes: so it goes by
    the folder's descriptor.

    Raises:
        OSError: it cannot be done.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{descriptor}/{name}"
        if listen:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            sock.bind(path)
            sock.listen(4)
        else:
            sock.connect(path)
    finally:
        os.close(descriptor)


def listener(folder: str, name: str) -> socket.socket:
    """Raises: OSError: there can be none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        reach(folder, name, sock, listen=True)
    except OSError:
        sock.close()
        raise
    return sock


def is_welcome(sock: socket.socket) -> bool:
    """Whether who is there is of this user, or root, and no step."""
    size = _CREDENTIALS.size
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, user, _ = _CREDENTIALS.unpack(found)
    return user in (0, os.geteuid()) and not _is_step(pid)


def _is_step(pid: int) -> bool:
    """What cannot be known counts as one."""
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                before, _, rest = file.read().rpartition(b")")
        except OSError:
            return True
        if before.partition(b"(")[2] in HELPERS:
            return True
        pid = int(rest.split()[1])
    return False
