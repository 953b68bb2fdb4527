"""Who lives in a scratch folder: executors that are at work, and what killed ones left.

A step must not start while processes of an attempt before it are still being ended, and
those of a killed `tidemill` take a moment. So each executor locks two files in its folder.
`owner` is held by its own process alone. `helpers` is held by warden and keepers too, on
a descriptor that they inherit, and so until the last of them, and its steps, are gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from tidemill.spi import StartError
from tidemill_local.warden import folders

_OWNER = "owner"
_HELPERS = "helpers"
_LASTING = "lasting"
_PAUSE = 0.01


class Tenancy:
    """The locks of one executor's folder, held from the beginning on."""

    def __init__(self, folder: Path, *, lasting: bool = False) -> None:
        """With `lasting` helpers may outlive the executor, and are to be let be.

        Raises:
            OSError: the files cannot be made.
        """
        if lasting:
            (folder / _LASTING).touch()
        self._helpers = _make_locked(folder / _HELPERS)
        try:
            self._owner = _make_locked(folder / _OWNER)
        except OSError:
            os.close(self._helpers)
            raise

    @property
    def helpers(self) -> int:
        """The descriptor that the helper processes inherit."""
        return self._helpers

    def end(self) -> None:
        os.close(self._helpers)
        os.close(self._owner)


async def wait_for_the_dead(scratch: Path, own: Path, patience: float) -> None:
    """Returns when nothing runs any more of executors that had this scratch folder and
    were killed. Those that live are let be, and so are helpers whose steps another executor
    may take up: they end by themselves before anybody else is given these steps.

    Raises:
        StartError: something still runs after `patience` seconds.
    """
    end = time.monotonic() + patience
    for folder in _folders(scratch):
        while folder != own and _is_held(folder / _OWNER) is False:
            if not _is_held(folder / _HELPERS):
                await asyncio.to_thread(_clear, folder)
                break
            if (folder / _LASTING).exists():
                break
            if time.monotonic() > end:
                raise StartError(
                    "processes of a tidemill that was killed are still being ended, and a "
                    "step must not start beside them; try again in a while, or look for "
                    f"processes with {folder} in their environment"
                )
            await asyncio.sleep(_PAUSE)


def is_left(folder: Path) -> bool:
    """Whether helpers live there whose executor was killed."""
    return _is_held(folder / _OWNER) is False and _is_held(folder / _HELPERS) is True


def _folders(scratch: Path) -> list[Path]:
    return sorted(scratch.glob("local-*"))


def _make_locked(path: Path) -> int:
    """Makes a file that nobody ever sees without its lock."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_held(path: Path) -> bool | None:
    """None where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _clear(folder: Path) -> None:
    """The helpers are gone. If they did not remove the folder they were killed as well,
    and what they watched may live."""
    from tidemill_local.sweep import kill_marked

    if folder.is_dir():
        for keeper in [path for path in folder.iterdir() if path.name.isdigit()]:
            kill_marked(keeper)
        folders.remove(str(folder))
