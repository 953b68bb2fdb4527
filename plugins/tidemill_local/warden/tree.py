"""Ending every process below this one.

This process is a subreaper: whatever is orphaned below it becomes its child. So long as
something lives down there, it has a child; when it has none, nothing is left, however
often its descendants forked, left their session or closed their files.

Only children and their process groups are sent SIGKILL. A child's pid cannot be given to
another process before we have waited for it, so a stranger is never hit, and whatever is
deeper comes up as its parents die.
"""

# pathlib would take as long to import as all the rest of this program:
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

PATIENCE = 10.0
"""Seconds after which a process that does not die of SIGKILL is given up: one of another
user (`sudo`), or one that hangs in the kernel."""

_SHORT = 0.0001
_LONG = 0.02


class Tree:
    """All processes below this one but those in `spare`."""

    def __init__(self) -> None:
        self.spare: set[int] = set()
        self.statuses: dict[int, int] = {}
        """The wait status of those processes of `named` that were waited for."""
        self.named: set[int] = set()
        self.cpu = 0.0
        self.memory = 0

    def reset(self, main: int) -> None:
        self.named = {main}
        self.statuses.clear()
        self.cpu = 0.0
        self.memory = 0

    def reap(self) -> bool:
        """Waits for what has ended. Whether children of any kind are left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.cpu += usage.ru_utime + usage.ru_stime
            self.memory = max(self.memory, usage.ru_maxrss * 1024)
            if pid in self.named:
                self.statuses[pid] = status

    def children(self) -> list[int]:
        """Children that are alive or not waited for yet."""
        return [pid for pid in _pids() if pid not in self.spare and _is_child(pid)]

    def kill(self) -> list[int]:
        """Kills and waits for everything. Gives the pids that would not die."""
        end = time.monotonic() + PATIENCE
        before: list[int] = []
        pause = _SHORT
        while self.reap() and (pids := self.children()):
            _strike(pids)
            if time.monotonic() > end:
                return pids
            pause = min(2 * pause, _LONG) if pids == before else _SHORT
            before = pids
            time.sleep(pause)
        return []

    def terminate(self) -> None:
        """Asks every process to end: SIGTERM, and SIGCONT for those that are stopped."""
        for pid, parent in _descendants(self.spare):
            _ask_to_end(pid, parent)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _strike(pids: list[int]) -> None:
    """A group first: the kernel kills it at one stroke, between two forks of a bomb."""
    own = os.getpgrp()
    for group in {os.getpgid(pid) for pid in pids} - {own}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _descendants(spare: set[int]) -> list[tuple[int, int]]:
    """(pid, parent) of everything below this process, parents first."""
    below: dict[int, list[int]] = {}
    for pid in _pids():
        parent = _parent(pid)
        if parent is not None and pid not in spare:
            below.setdefault(parent, []).append(pid)
    found: list[tuple[int, int]] = []
    todo = [os.getpid()]
    while todo:
        parent = todo.pop()
        for pid in below.get(parent, ()):
            found.append((pid, parent))
            todo.append(pid)
    return found


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return None  # it has ended meanwhile


def _ask_to_end(pid: int, parent: int) -> None:
    """The pid of a grandchild may have been given away: hold it, look again, then ask."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _parent(pid) in (parent, os.getpid()):
            for number in (signal.SIGTERM, signal.SIGCONT):
                signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        os.close(handle)
