"""The control groups of one step: made, filled, read, killed and removed.

Version 1 has a hierarchy for each controller, version 2 one for all; a step gets a group
in each that was named to it. A group is locked (`flock`) by the keeper that made it, so
that one without a living keeper can be told, and reaped, by anybody.
"""

# pathlib would take as long to import as all the rest of this program:
# ruff: noqa: PTH102, PTH106, PTH110, PTH118, PTH119, PTH123

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from typing import NamedTuple

from .protocol import Bounds

PREFIX = "tidemill-"
"""What the name of every group of a step begins with."""

PATIENCE = 10.0
"""Seconds for what is in a group to die, and for the group to be let go."""

_PAUSE = 0.001
_TRIES = 20


class Used(NamedTuple):
    """Of all that was in the groups. Zero where the system does not tell."""

    cpu: float
    memory: int
    oom: bool


class Group:
    """`folders` and what holds their locks. Empty where no group was asked for."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self._locks: list[int] = []

    def make(self, bounds: Bounds) -> None:
        """Raises: OSError: one cannot be made, or does not take a bound."""
        for folder, files in bounds.groups:
            self._locks.append(_make_locked(folder))
            self.folders.append(folder)
            for name, value, needed in files:
                if needed or os.path.exists(os.path.join(folder, name)):
                    _write(os.path.join(folder, name), value)

    def join(self) -> None:
        """Moves this very process there, and what it will start."""
        for folder in self.folders:
            _write(os.path.join(folder, "cgroup.procs"), b"0")

    def used(self) -> Used:
        cpu, memory, oom = 0.0, 0, False
        for folder in self.folders:
            cpu = cpu or _cpu(folder)
            memory = memory or _memory(folder)
            oom = oom or _oom(folder)
        return Used(cpu, memory, oom)

    def end(self) -> None:
        """Kills what is left in it, and removes it."""
        for folder in self.folders:
            destroy(folder)
        for lock in self._locks:
            os.close(lock)
        self.folders.clear()
        self._locks.clear()


def destroy(folder: str) -> bool:
    """Kills all that is in a group, and removes it; whether it is gone. A step may have
    made groups of its own below: they go first."""
    end = time.monotonic() + PATIENCE
    while True:
        _kill(folder)
        for below in _folders(folder):
            destroy(below)
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return True
        except OSError:  # a zombie keeps its group until somebody waits for it
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def reap(root: str) -> None:
    """Ends what killed keepers left in the groups below this folder."""
    for folder in _folders(root):
        if os.path.basename(folder).startswith(PREFIX):
            lock = _lock(folder)
            if lock >= 0:
                destroy(folder)
                os.close(lock)


def _make_locked(folder: str) -> int:
    """Who reaps may take a new group for one that was left: then it is made again."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileExistsError):  # left by a step before this one
            os.mkdir(folder, 0o755)
        lock = _lock(folder)
        if lock >= 0 and os.path.exists(folder):
            return lock
        time.sleep(_PAUSE)
    raise FileExistsError(17, os.strerror(17), folder)


def _lock(folder: str) -> int:
    """-1 where another holds it, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _kill(folder: str) -> None:
    """At one stroke, where the system can. Else one by one: a pid may be given away
    between the look and the stroke, so it is held, and looked for again."""
    with contextlib.suppress(OSError):
        _write(os.path.join(folder, "cgroup.kill"), b"1")
        return
    for pid in _pids(folder):
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if pid in _pids(folder):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def _pids(folder: str) -> list[int]:
    return [int(line) for line in _read(folder, "cgroup.procs").split()]


def _folders(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _cpu(folder: str) -> float:
    nanoseconds = _read(folder, "cpuacct.usage").strip()
    if nanoseconds:
        return int(nanoseconds) / 1e9
    return _field(folder, "cpu.stat", b"usage_usec") / 1e6


def _memory(folder: str) -> int:
    peak = _read(folder, "memory.peak") or _read(folder, "memory.max_usage_in_bytes")
    return int(peak or 0)


def _oom(folder: str) -> bool:
    return any(
        _field(folder, name, b"oom_kill") > 0 for name in ("memory.events", "memory.oom_control")
    )


def _field(folder: str, name: str, key: bytes) -> int:
    for line in _read(folder, name).splitlines():
        found, _, value = line.partition(b" ")
        if found == key:
            return int(value)
    return 0


def _read(folder: str, name: str) -> bytes:
    """Nothing, where there is no such file."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _write(path: str, value: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value)
    finally:
        os.close(descriptor)
