"""Folders of a keeper: the names in them, and how they are emptied.

A keeper's folder holds what one attempt needs; all of it but an empty `tmp` is gone
before the next attempt starts.
"""

# ruff: noqa: PTH -- pathlib would take as long to import as all the rest of this program

from __future__ import annotations

import os
import stat

TMP = "tmp"
OUTPUT = "output"
INPUTS = "inputs"
WORK = "work"
SCRIPT = "script"


def is_fresh(path: str) -> bool:
    """Whether this is an empty folder with the rights that `make_private` gave it."""
    try:
        status = os.lstat(path)
        if stat.S_IMODE(status.st_mode) != 0o700 or not stat.S_ISDIR(status.st_mode):
            return False
        return not os.listdir(path)
    except OSError:
        return False


def make_private(path: str) -> None:
    """Makes a folder for this user alone, whatever the umask is."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)


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
