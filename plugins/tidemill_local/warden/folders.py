"""Folders of a keeper: the names in them, and how they are emptied.

A keeper's folder holds what one attempt needs; all of it but an empty `tmp` is gone
before the next attempt starts.
"""

# pathlib would take as long to import as all the rest of this program:
# ruff: noqa: PTH101, PTH102, PTH108, PTH114, PTH118

from __future__ import annotations

import os
import stat
import time

TMP = "tmp"
OUTPUT = "output"
INPUTS = "inputs"
WORK = "work"
SCRIPT = "script"

_BACK = 10_000_000_000
"""Nanoseconds: far more than the grain of any file system's clock."""

_PRIVATE_FOLDER = stat.S_IFDIR | 0o700


def make_fresh(path: str) -> int:
    """Makes a folder for this user alone, whatever the umask is. Gives its mark: the time
    of its last change, which is set back, so that any change from now on moves it."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)
    past = time.time_ns() - _BACK
    os.utime(path, ns=(past, past))
    return os.lstat(path).st_mtime_ns


def is_fresh(path: str, mark: int) -> bool:
    """Whether nothing has been put into this folder, nor its rights changed. It costs one
    call of the system, where to look inside, or to make a new folder, would take many."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_mtime_ns == mark and status.st_mode == _PRIVATE_FOLDER


def remove(path: str) -> bool:
    """Removes a file or a whole folder; whether nothing is left of it.

    A step may have taken its own rights away (`chmod -R a-w`); they are given back.
    """
    import shutil  # only here: most steps leave nothing behind, and it costs 8 ms

    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        if os.path.lexists(path):
            _give_rights_back(path)
            shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def _give_rights_back(path: str) -> None:
    try:
        os.chmod(path, 0o700)
        for folder, names, _ in os.walk(path):
            for name in names:
                below = os.path.join(folder, name)
                if not os.path.islink(below):
                    os.chmod(below, 0o700)
    except OSError:
        return  # not ours (any more): what is left is told by `remove`
