"""What the standard library does not offer of Linux: some calls of prctl."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on orphans below this process become its children, not init's."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def set_name(name: bytes) -> None:
    """The name that `ps` and `top` show for this process (15 bytes at most)."""
    _libc.prctl(_PR_SET_NAME, name, 0, 0, 0)


def hear_of_parents_death(number: int) -> None:
    """This process is sent the signal when its parent has died. Programs that are started
    from here keep that, unless they change their user; what they fork does not."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def hide() -> None:
    """Other processes of this user may not look into this one (its memory, its variables,
    its files) from now on, nor trace it. Ends with the next `execve`."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
