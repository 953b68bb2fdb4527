"""What this machine lets a worker use: cores and memory, as its control groups bound them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
MIB = 1 << 20


def detected(groups: Path = GROUPS, own: Path = OWN) -> dict[str, float]:
    """`cpu` in cores, `memory` in bytes, down to whole MiB: nobody reads the rest."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    folders = list(_folders(groups, own))
    return {
        "cpu": min([float(len(os.sched_getaffinity(0))), *_quotas(folders)]),
        "memory": float(min([memory, *_bounds(folders)]) // MIB * MIB),
    }


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Those of the groups that this process is in, up to the root. In a container without a
    namespace of its own the path is the host's: what is to be seen is the root alone."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        top = groups / controllers if controllers else groups
        folder = top / path.strip("/")
        while folder != top and folder.is_relative_to(top):
            yield folder
            folder = folder.parent
        yield top


def _bounds(folders: list[Path]) -> Iterator[int]:
    for folder in folders:
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name)
            if text.isdecimal():
                yield int(text)


def _quotas(folders: list[Path]) -> Iterator[float]:
    for folder in folders:
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not period:
            quota = _text(folder / "cpu.cfs_quota_us")
            period = _text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return path.read_text("ascii").strip()
    return ""
