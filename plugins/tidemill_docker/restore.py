"""The files of an earlier attempt, put back where it left them.

File work that may take long: to be done in a thread.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tidemill.spi import SavedFile

_UMASK = os.umask(0)
os.umask(_UMASK)


def put_back(workdir: Path, files: Iterable[SavedFile]) -> None:
    """Raises: OSError: a file could not be put there, and which."""
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
