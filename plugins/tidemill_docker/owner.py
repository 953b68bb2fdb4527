"""Whose a container is, and whether its owner still lives.

A label names the process that made it, as exactly as the system allows: the machine's
boot, the PID namespace, the pid, and when that process was started. Only what is certain
to be a dead one's is taken: a worker in another namespace cannot be seen from here, and
its containers are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tidemill.spi import Work

EXECUTOR = "tidemill.executor"
OWNER = "tidemill.owner"
FOLDER = "tidemill.folder"
TOKEN = "tidemill.token"  # noqa: S105 -- a label's name
RECOVERABLE = "tidemill.recoverable"
HELPER = "helper"
"""A file in an executor's folder that names its helper process."""
SERVICE = "tidemill.service"
"""The name of what runs beside a step; the step's own container has no such label."""


def labels(
    work: Work, executor: str, token: str, folder: Path, *, recoverable: bool
) -> dict[str, str]:
    return {
        EXECUTOR: executor,
        OWNER: own(),
        FOLDER: str(folder),
        TOKEN: token,
        RECOVERABLE: "yes" if recoverable else "no",
        "tidemill.work": work.id,
        "tidemill.run": str(work.run),
        "tidemill.step": work.step,
        "tidemill.attempt": str(work.attempt),
        "tidemill.fence": str(work.fence),
    }


def network_of(labels: Mapping[str, str]) -> str:
    """The name of a step's own network, where it has one."""
    return f"tidemill-{labels[TOKEN]}"


def own() -> str:
    return of_process(os.getpid())


def of_process(pid: int) -> str:
    return f"{_boot()} {_namespace()} {pid} {_started(pid)}"


def is_dead(owner: str) -> bool:
    """Whether the process that a label names is certain to have ended."""
    try:
        boot, namespace, pid, started = owner.split()
    except ValueError:
        return False
    if boot != _boot():
        return True  # the engine is on this machine, and so was whoever made it
    return namespace == _namespace() and _started(int(pid)) != started


def is_kept(labels: Mapping[str, str]) -> bool:
    """Whether its executor was killed, and a helper of it keeps the step until its worker is
    there again, or its time is over."""
    if labels.get(RECOVERABLE) != "yes" or not labels.get(FOLDER):
        return False
    return not is_dead(helper_of(Path(labels[FOLDER]).parent))


def helper_of(folder: Path) -> str:
    """The helper process of the executor with this folder, as in a label; of nobody's, if
    it never had one."""
    try:
        return (folder / HELPER).read_text()
    except OSError:
        return "- - 0 -"


def is_dead_ones(labels: Mapping[str, str]) -> bool:
    return is_dead(labels.get(OWNER, ""))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _started(pid: int) -> str:
    """Empty where there is no such process, or one that has ended and is not buried."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if status[0] in "ZX" else status[19]
