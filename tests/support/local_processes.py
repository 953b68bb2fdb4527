"""Looking at the processes of this machine, for tests that kill some of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = 30.0

NASTY = """
trap '' TERM HUP INT
setsid sh -c "trap '' TERM; exec >/dev/null 2>&1; sleep 1000; : $MARK" &
(setsid sh -c "trap '' TERM; (sleep 1000; : $MARK) & sleep 1000; : $MARK" &)
env -i PATH="$PATH" setsid sh -c "exec >&- 2>&- <&-; sleep 1000; : $MARK" &
(while :; do (setsid sh -c "sleep 0.01; : $MARK" &); sleep 0.005; done) &
"""
"""Leaves the session, ignores signals, daemonizes, clears its environment, closes its
files, and forks in a loop. `$MARK` is in every environment or command line."""


def eventually(holds: Callable[[], bool], seconds: float = LIMIT) -> bool:
    """Whether this comes true within the time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def alive(mark: str) -> list[str]:
    """Processes with the mark in their environment or command line."""
    wanted = mark.encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            line = (folder / "cmdline").read_bytes()
            if wanted in line or wanted in (folder / "environ").read_bytes():
                found.append(f"{folder.name} {line!r}")
        except OSError:
            continue
    return found


def children(pid: int, name: str = "") -> list[int]:
    """The children of a process that have this name."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            head, _, rest = (folder / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and state != "Z" and name in head.partition("(")[2]:
            found.append(int(folder.name))
    return found


def warden() -> int:
    """The warden of the executor that this process runs."""
    (pid,) = children(os.getpid(), "tide-warden")
    return pid
