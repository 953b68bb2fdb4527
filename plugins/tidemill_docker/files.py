"""The files of a step: its own folder, which is mounted into the container.

All of this may take long: to be done in a thread. What the step may have put there is
read with care: a link in its folder must not lead the worker out of it.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from tidemill.spi import ScriptAction, StartError, Work
from tidemill.spi.files import VALUES_LIMIT
from tidemill_docker import program


class StepFolder:
    """A folder of one attempt. It is open to everyone, since the container's user may be
    anyone; the one above it is the worker's alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def workspace(self) -> Path:
        return self.path / "workspace"

    def make(self, work: Work, user: str, *, private: bool) -> None:
        """Raises: StartError: a file could not be made."""
        try:
            self.path.mkdir(parents=True)
            self.path.chmod(0o777)
            if program.needs_file(work) and isinstance(work.action, ScriptAction):
                script = self.path / program.SCRIPT
                script.write_bytes(os.fsencode(work.action.text))
                script.chmod(0o444)
            if private:
                self._make_workspace(work)
            if work.inputs:
                self._copy_inputs(work)
                _give_to(self.path / program.INPUTS, user)
        except OSError as error:
            name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            raise StartError(f"cannot prepare the step's files: {error.strerror}{name}") from error

    def _make_workspace(self, work: Work) -> None:
        self.workspace.mkdir()
        self.workspace.chmod(0o777)
        if not work.workdir.startswith("/"):
            folder = self.workspace
            for part in _inside(work.workdir).parts:
                folder = folder / part
                folder.mkdir(exist_ok=True)
                folder.chmod(0o777)

    def _copy_inputs(self, work: Work) -> None:
        folder = self.path / program.INPUTS
        folder.mkdir()
        for item in work.inputs:
            target = folder / _inside(item.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item.source, target)
            target.chmod(0o555 if item.source.stat().st_mode & 0o111 else 0o444)

    def read(self, name: str, limit: int = VALUES_LIMIT + 1) -> bytes:
        """The content of an ordinary file of the folder, bounded; else nothing."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path / name, flags)
        except OSError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            return file.read(limit)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _give_to(folder: Path, user: str) -> None:
    """The step may do with its copies what it likes. Only root can give files away."""
    uid, _, gid = user.partition(":")
    if os.geteuid() == 0 and uid.isdecimal():
        owner, group = int(uid), int(gid) if gid.isdecimal() else -1
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, group)


def workdir_in(root: Path, workdir: str) -> Path | None:
    """Where a workdir lies on this machine; None where it leads out of its root, by a link
    that a step may have left there, or by `..`."""
    found = (root / workdir).resolve()
    return found if found.is_relative_to(root.resolve()) else None


def _inside(path: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise StartError(f"the path {path!r} leads out of its folder")
    return parts
