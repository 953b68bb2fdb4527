"""The files of an attempt: what is laid out before it starts, and what is kept of it.

All of this is file work that may take long; but for the small `$TIDE_OUTPUT` it is done
in a thread. Nothing here knows of processes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path, PurePosixPath

from tidemill.spi import InputFile, ScriptAction, StartError, Work
from tidemill.spi.files import VALUES_LIMIT
from tidemill_local.warden import folders

_FICLONE = 0x40049409
_CHUNK = 1 << 22


class Layout:
    """What one attempt needs beside its keeper's `tmp`: a folder of inputs, a script in a
    file, a private workdir. Cheap to make, since most steps need none of it."""

    __slots__ = ("_ahead", "_folder", "_work", "inputs", "private", "script", "stopped")

    def __init__(
        self, folder: Path, work: Work, *, script: bool, private: bool, ahead: Path | None = None
    ) -> None:
        self.stopped = False
        """May be set from another thread, and ends the copying of inputs."""
        self.inputs = folder / folders.INPUTS if work.inputs else None
        self.script = folder / folders.SCRIPT if script else None
        self.private = folder / folders.WORK if private else None
        self._folder = folder
        self._work = work
        self._ahead = ahead

    @property
    def made(self) -> bool:
        """Whether there is anything to make, and to remove."""
        return bool(self.inputs or self.script or self.private)

    @property
    def workdir(self) -> Path:
        project = self.private or self._work.project
        return project if self._work.workdir == "." else project / self._work.workdir

    def make(self) -> None:
        """Raises: StartError: a file could not be made."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self.script is not None and isinstance(self._work.action, ScriptAction):
                self.script.write_bytes(os.fsencode(self._work.action.text))
            if self.private is not None:
                self.private.mkdir()
                if not PurePosixPath(self._work.workdir).is_absolute():
                    _inside(self.private, self._work.workdir).mkdir(parents=True, exist_ok=True)
            if self.inputs is not None:
                self._copy_inputs(self.inputs)
        except OSError as error:
            raise StartError(_said(error)) from error
        except UnicodeEncodeError as error:
            raise StartError(f"the script cannot be written: {error}") from error

    def remove(self) -> bool:
        """Removes what was made, and an output file that is still there; whether nothing
        is left."""
        made = [path for path in (self.inputs, self.script, self.private) if path]
        made.append(self._folder / folders.OUTPUT)
        left = [path for path in made if not folders.remove(str(path))]
        return not left

    def _copy_inputs(self, folder: Path) -> None:
        for number, item in enumerate(self._work.inputs):
            if self.stopped:
                return
            target = _inside(folder, item.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self._has_moved(number, target):
                copy_input(item, target, lambda: self.stopped)
        if self._ahead is not None:
            shutil.rmtree(self._ahead, ignore_errors=True)

    def _has_moved(self, number: int, target: Path) -> bool:
        """Whether there was a copy, made ahead."""
        if self._ahead is None:
            return False
        try:
            (self._ahead / str(number)).rename(target)
        except OSError:
            return False
        return True


def copy_input(item: InputFile, target: Path, stopped: Callable[[], bool] = lambda: False) -> None:
    """A copy that shares no byte with its source that a step could change."""
    with item.source.open("rb") as source, target.open("xb") as copy:
        try:
            ioctl(copy.fileno(), _FICLONE, source.fileno())
        except OSError:
            while not stopped() and os.sendfile(copy.fileno(), source.fileno(), None, _CHUNK):
                pass
        runs = os.fstat(source.fileno()).st_mode & 0o111
        os.fchmod(copy.fileno(), 0o555 if runs else 0o444)


def take_values(folder: Path, *, leave: bool) -> bytes:
    """The content of the output file, bounded; nothing, if it is no ordinary file. One
    that is (and it nearly always is) is removed as well, unless it is to be left for whoever
    may take up the step."""
    path = folder / folders.OUTPUT
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            data = _read(descriptor, VALUES_LIMIT + 1)
        finally:
            os.close(descriptor)
    except OSError:
        return b""
    if leave:
        return data
    with contextlib.suppress(OSError):  # the keeper tries again before its next step
        path.unlink()
    return data


def _read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(descriptor, size - len(data))):
        data += piece
    return data


def _inside(folder: Path, path: str) -> Path:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise StartError(f"the path {path!r} leads out of its folder")
    return folder / parts


def _said(error: OSError) -> str:
    what = f"cannot prepare the step's files: {error.strerror}"
    name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}{name}: make room on that disk"
    return what + name
