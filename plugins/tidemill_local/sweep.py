"""The last resort: ending processes that have lost both their keeper and the warden."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tidemill_local.warden import folders

PATIENCE = 10.0


def kill_marked(folder: Path) -> None:
    """Kills every process whose environment has this keeper's folder as its TMPDIR. One
    that has cleared its environment is not found."""
    mark = b"\0TMPDIR=" + os.fsencode(folder / folders.TMP) + b"\0"
    end = time.monotonic() + PATIENCE
    while _kill_once(mark) and time.monotonic() < end:
        time.sleep(0.001)


def _kill_once(mark: bytes) -> bool:
    found = False
    for name in [path.name for path in Path("/proc").iterdir()]:
        if name.isdigit() and _has_mark(name, mark):
            found = True
            _kill(int(name), mark)
    return found


def _has_mark(name: str, mark: bytes) -> bool:
    try:
        return mark in b"\0" + Path("/proc", name, "environ").read_bytes() + b"\0"
    except OSError:
        return False


def _kill(pid: int, mark: bytes) -> None:
    """The pid may have been given away meanwhile: hold it, look again, then kill."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _has_mark(str(pid), mark):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
