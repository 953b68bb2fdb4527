"""Who drives a run on this machine: a lock that the system gives back when its holder
dies, and a bell by which others wake it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

_LOCK = "lock"
_BELL = "bell"


class Owner:
    """Holds a run's lock, from `take` to `release`."""

    def __init__(self, descriptor: int, folder: Path) -> None:
        self._descriptor = descriptor
        self._folder = folder
        self._bell: int | None = None

    @classmethod
    def take(cls, folder: Path) -> Owner | None:
        """The lock of the run that this folder is of; None if somebody holds it.

        Raises:
            OSError: the folder or the lock cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor, folder)

    def listen(self, rung: Callable[[], None]) -> None:
        """Calls `rung`, on the running event loop, whenever somebody rings the bell."""
        path = self._folder / _BELL
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        # Read and write, so that the last ringer's leaving is no end of file.
        self._bell = bell = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

        def ring() -> None:
            os.read(bell, 4096)
            rung()

        asyncio.get_running_loop().add_reader(bell, ring)

    def release(self) -> None:
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell)
            os.close(self._bell)
            (self._folder / _BELL).unlink(missing_ok=True)
            self._bell = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_owned(folder: Path) -> bool:
    """Whether somebody drives the run that this folder is of."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def ring(folder: Path) -> bool:
    """Wakes the one who drives the run; False if nobody does."""
    try:
        bell = os.open(folder / _BELL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.ENOENT}:
            return False
        raise
    try:
        os.write(bell, b"!")
    finally:
        os.close(bell)
    return True
