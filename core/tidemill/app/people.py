"""Who sits at the terminal, as the system knows them."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import suppress

from tidemill.engine.approvals import Person


def this_person() -> Person:
    """The user that this process is of, with their groups: what the system says, whatever
    the environment claims. A user without a name (in a container) goes by their number."""
    user = os.getuid()
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return Person(str(user), _names(os.getgroups()))
    return Person(entry.pw_name, _names(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _names(groups: list[int]) -> frozenset[str]:
    names: set[str] = set()
    for group in groups:
        with suppress(KeyError):
            names.add(grp.getgrgid(group).gr_name)
    return frozenset(names)
