"""Where this worker may make control groups for its steps.

Version 1 of them has a hierarchy for each controller, and a group may be made beside
whatever is there. In version 2 a group hands its controllers down only while no process
is in it: so this process, and what it has started, moves one further down first. That is
done when the first step asks for it, and only in a group that is ours alone (a service
of systemd with `Delegate=yes` is).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from tidemill_local.warden import group

LEAF = "tidemill.worker"
"""The group that the worker moves to. Not of a step: it has not the prefix of those."""

CONTROLLERS = frozenset({"memory", "pids", "cpu", "cpuacct"})
_DELEGATED = ("user.delegate", "trusted.delegate")
_TRIES = 20


@dataclass(frozen=True)
class Root:
    """A folder that groups are made in, and which controllers bound them there."""

    folder: Path
    controllers: frozenset[str]
    version: int


def find(proc: Path = Path("/proc/self")) -> tuple[Root, ...]:
    """Those that this process may write to, as they are now; nothing is changed."""
    own = _own_groups(proc)
    roots: dict[Path, Root] = {}
    for kind, top, mount, options in _mounts(proc):
        if kind == "cgroup2":
            folder = _below(mount, top, own.get("", "/"))
            root = _unified(folder) if folder else None
        else:
            names = CONTROLLERS & set(options.split(","))
            folder = next((_below(mount, top, own[name]) for name in names if name in own), None)
            root = Root(folder, names, 1) if folder and names else None
        if root is not None and os.access(root.folder, os.W_OK | os.X_OK):
            roots[root.folder] = root
    return tuple(roots.values())


def enable(root: Root) -> Root:
    """Has a group of version 2 hand its controllers down; gives it with those that it
    does. What cannot be had is not there afterwards."""
    if root.version == 1:
        return root
    wanted = CONTROLLERS & _words(root.folder / "cgroup.controllers")
    if wanted - _words(root.folder / "cgroup.subtree_control"):
        with contextlib.suppress(OSError):
            move_down(root.folder)
            for name in wanted:
                (root.folder / "cgroup.subtree_control").write_text(f"+{name}")
    had = CONTROLLERS & _words(root.folder / "cgroup.subtree_control")
    return Root(root.folder, had, 2)


def reap(roots: tuple[Root, ...]) -> None:
    """Ends what killed helpers left; blocks."""
    for root in roots:
        group.reap(str(root.folder))


def _unified(folder: Path) -> Root:
    """Its own group, or the one above it, if that is what was handed over to us."""
    above = folder.parent
    if folder.name == LEAF or _is_delegated(above):
        folder = above
    return Root(folder, CONTROLLERS & _words(folder / "cgroup.controllers"), 2)


def _is_delegated(folder: Path) -> bool:
    for name in _DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def move_down(folder: Path) -> None:
    """Moves all that is in this group, if all of it is ours.

    Raises:
        OSError: it cannot be moved, or is not ours.
    """
    for _ in range(_TRIES):  # they fork meanwhile
        pids = _words(folder / "cgroup.procs")
        if not pids:
            return
        if not all(_is_ours(int(pid)) for pid in pids):
            raise PermissionError(f"other processes are in {folder}")
        (folder / LEAF).mkdir(exist_ok=True)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (folder / LEAF / "cgroup.procs").write_text(pid)


def _is_ours(pid: int) -> bool:
    """Whether it is this process, or descends from it."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return True  # it has ended meanwhile
        pid = int(stat.rpartition(b")")[2].split()[1])
    return False


def _own_groups(proc: Path) -> dict[str, str]:
    """This process's group by controller; that of version 2 by the empty name."""
    found: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, names, path = line.split(":", 2)
        found |= dict.fromkeys(names.split(","), path)
    return found


def _mounts(proc: Path) -> list[tuple[str, str, Path, str]]:
    """Kind, the folder that is mounted, where, and with which options."""
    found = []
    for line in _lines(proc / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            top, mount = before.split(" ")[3:5]
            found.append((kind, top, Path(mount), options))
    return found


def _below(mount: Path, top: str, own: str) -> Path | None:
    """Where a group is found; None if it is outside of what is mounted."""
    if not Path(own).is_relative_to(top) or ".." in Path(own).parts:
        return None
    return mount / Path(own).relative_to(top)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()
