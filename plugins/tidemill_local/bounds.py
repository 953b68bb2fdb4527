"""From the settings of a step to what its keeper holds it to.

Control groups hold the whole tree of a step to memory, processes and CPU; limits of the
kernel (`setrlimit`) hold each of its processes to open files, CPU time and the size of a
file, everywhere. Where this machine lets the worker make no group, memory is held to by
process, and the step's output says so; processes and CPU cannot be, and the step is not
started: a limit of processes by `setrlimit` counts all that a user has, and does not
count for root at all.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from tidemill.spi import StartError
from tidemill_local import control_groups
from tidemill_local.control_groups import Root
from tidemill_local.settings import LocalSettings
from tidemill_local.warden import group, protocol

_PERIOD = 100_000
"""Microseconds in which a step may use its part of the CPUs; the kernel's default."""
_SMALLEST = 1000
"""Microseconds of a period that the kernel gives at least."""

_TO_DO = (
    "run the worker where it may make control groups (systemd: Delegate=yes), or leave the "
    "setting out"
)


@dataclass(frozen=True)
class Bounds:
    """`packed` is for the keeper; `note` is what the step's output is to say first."""

    packed: tuple[str, ...] = ()
    note: str = ""


class Bounder:
    """Knows the groups of this machine, from the first time on that it is asked."""

    def __init__(self, owner: str) -> None:
        """`owner` tells the groups of this executor from those of others."""
        self._owner = owner
        self._roots: tuple[Root, ...] | None = None

    def bounds(self, settings: LocalSettings, keeper: int) -> Bounds:
        """What holds a step of these settings, if `keeper` runs it.

        Raises:
            StartError: this machine cannot hold it to what is asked for.
        """
        if not settings.is_bounded:
            return Bounds()
        rlimits = _rlimits(settings)
        if not settings.needs_group:
            return Bounds(rlimits)
        roots = self._enabled()
        had = frozenset[str]().union(*(root.controllers for root in roots))
        _check(settings, had)
        note = ""
        if settings.memory is not None and "memory" not in had:
            rlimits += (_rlimit(resource.RLIMIT_DATA, settings.memory),)
            note = _said(settings.memory)
        name = f"{group.PREFIX}{self._owner}-{keeper}"
        packed = [text for root in roots for text in _group(root, name, settings)]
        return Bounds((*packed, *rlimits), note)

    @property
    def has_groups(self) -> bool:
        """Whether any step has been put into one."""
        return bool(self._roots)

    def reap(self) -> None:
        """Ends what killed helpers left in groups, ours or another's; blocks."""
        control_groups.reap(self._roots or control_groups.find())

    def _enabled(self) -> tuple[Root, ...]:
        if self._roots is None:
            self._roots = tuple(map(control_groups.enable, control_groups.find()))
        return self._roots


def _check(settings: LocalSettings, had: frozenset[str]) -> None:
    for name, value, controller in (
        ("pids", settings.pids, "pids"),
        ("cpus", settings.cpus, "cpu"),
    ):
        if value is not None and controller not in had:
            raise StartError(
                f"cannot hold the step to `{name} = {value:g}`: this worker may make no control "
                f"group with the controller {controller!r}; {_TO_DO}"
            )


def _said(memory: int) -> str:
    return (
        f"tidemill: memory is bounded to {memory} bytes for each process alone, not for the "
        f"step: this worker may make no control group with the controller 'memory'\n"
    )


def _rlimits(settings: LocalSettings) -> tuple[str, ...]:
    found = []
    if settings.open_files is not None:
        found.append(_rlimit(resource.RLIMIT_NOFILE, settings.open_files))
    if settings.file_size is not None:
        found.append(_rlimit(resource.RLIMIT_FSIZE, settings.file_size))
    if (most := settings.cpu_seconds) is not None:
        found.append(protocol.pack_rlimit(resource.RLIMIT_CPU, most, most + 1))
    return tuple(found)


def _rlimit(number: int, most: int) -> str:
    return protocol.pack_rlimit(number, most, most)


def _group(root: Root, name: str, settings: LocalSettings) -> list[str]:
    """The group of a step below this root, and what bounds it there. One without a bound
    still tells what the step has used, or is killed at one stroke."""
    packed = [protocol.pack_group(str(root.folder / name))]
    if settings.memory is not None and "memory" in root.controllers:
        packed += _memory(root, settings.memory)
    if settings.pids is not None and "pids" in root.controllers:
        packed.append(protocol.pack_value("pids.max", settings.pids))
    if settings.cpus is not None and "cpu" in root.controllers:
        packed += _cpu(root, settings.cpus)
    return packed


def _memory(root: Root, most: int) -> list[str]:
    """Swap included, where the kernel counts it."""
    if root.version == 1:
        swap = protocol.pack_value("memory.memsw.limit_in_bytes", most, needed=False)
        return [protocol.pack_value("memory.limit_in_bytes", most), swap]
    return [
        protocol.pack_value("memory.max", most),
        protocol.pack_value("memory.swap.max", 0, needed=False),
        protocol.pack_value("memory.oom.group", 1, needed=False),
    ]


def _cpu(root: Root, cpus: float) -> list[str]:
    quota = max(_SMALLEST, round(cpus * _PERIOD))
    if root.version == 2:
        return [protocol.pack_value("cpu.max", f"{quota} {_PERIOD}")]
    return [
        protocol.pack_value("cpu.cfs_period_us", _PERIOD),
        protocol.pack_value("cpu.cfs_quota_us", quota),
    ]
