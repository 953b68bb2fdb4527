"""The files of steps that run in a folder of this machine: kept, and put back.

For executors to use; no part of the contract. File work that may take long: to be done in a
thread. What a step may have put there is read with care: no link leads out of its workdir.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tidemill.spi.work import OutputFile, SavedFile

VALUES_LIMIT = 1 << 20
"""So much of `$TIDE_OUTPUT` is read, and one byte more, to show that there was more."""

FILES_LIMIT = 10_000
"""So many files are collected for one output."""

_UMASK = os.umask(0)
os.umask(_UMASK)


def collect(workdir: Path, output: OutputFile) -> list[tuple[str, Path]]:
    """The files of an output, as (name relative to the workdir, path), in order of name.

    What a link or `..` leads to outside of the workdir is left out.

    Raises:
        OSError: there are more than `FILES_LIMIT`.
    """
    home = workdir.resolve()
    if PurePosixPath(output.glob).is_absolute():
        return []
    found: dict[str, Path] = {}
    try:
        for path in workdir.glob(output.glob):
            real = path.resolve()
            if real.is_relative_to(home) and real.is_file():
                found[path.relative_to(workdir).as_posix()] = real
            if len(found) > FILES_LIMIT:
                raise too_many(output)
    except (ValueError, RuntimeError):  # an unacceptable pattern; a loop of links
        return []
    return sorted(found.items())


def too_many(output: OutputFile) -> OSError:
    return OSError(errno.EFBIG, f"the output {output.name} has more than {FILES_LIMIT} files")


def put_back(workdir: Path, files: Iterable[SavedFile]) -> None:
    """The files of an earlier attempt, where it left them: see `Executor.restore`.

    Raises:
        OSError: a file could not be put there, and which.
    """
    home = workdir.resolve()
    for file in files:
        target = workdir / file.name
        if not target.parent.resolve().is_relative_to(home):
            raise OSError(errno.EPERM, "its folder lies outside of the workdir", str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _is_same(target, file):
            _replace(target, file)


def _is_same(target: Path, file: SavedFile) -> bool:
    """One that is there as it should be is left alone, and keeps its times."""
    if target.is_symlink() or not target.is_file():
        return False
    if os.access(target, os.X_OK) != file.executable:
        return False
    return filecmp.cmp(target, file.source, shallow=False)


def _replace(target: Path, file: SavedFile) -> None:
    """Whole or not at all, also where a link stands in its place."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    partial = Path(name)
    try:
        os.close(descriptor)
        shutil.copyfile(file.source, partial)
        partial.chmod((0o777 if file.executable else 0o666) & ~_UMASK)
        partial.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        partial.unlink(missing_ok=True)
