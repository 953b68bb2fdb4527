"""Finding the keeper of a step that an executor which was killed had started.

A token names the executor's folder, the keeper's number and its door. It is no secret
that has to be kept: see `tidemill_local.warden.door`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from pathlib import Path

from tidemill.spi import StartError
from tidemill_local.tenancy import is_left
from tidemill_local.warden import door

PATIENCE = 5.0
"""Seconds in which a keeper that lives is at its door."""
_PAUSE = 0.02


def new_door() -> str:
    return f"door-{secrets.token_hex(16)}"


def token_of(folder: Path, door: str) -> str:
    """`folder` is the keeper's."""
    return f"{folder.parent.name} {folder.name} {door}"


async def find(scratch: Path, token: str) -> tuple[Path, socket.socket] | None:
    """The keeper's folder, and a connection; None if it has ended, and its step with it: a
    keeper's folder goes when nothing is left of the step.

    Raises:
        StartError: it is there, and does not answer.
    """
    try:
        name, number, knock = token.split(" ")
    except ValueError:
        return None
    if "/" in token or not number.isdecimal():
        return None
    folder = scratch / name / number
    until = time.monotonic() + PATIENCE
    while folder.is_dir() and is_left(folder.parent):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            door.reach(str(folder.parent), knock, sock, listen=False)
        except OSError:
            sock.close()
        else:
            sock.setblocking(False)
            return folder, sock
        if time.monotonic() > until:
            raise StartError("the process that keeps the step does not answer")
        await asyncio.sleep(_PAUSE)
    return None
