"""Runs one contender as a process and says how long it took and what it held."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY = 0.02


@dataclass(frozen=True)
class Sample:
    """One process: its wall time in seconds, and what it wrote."""

    seconds: float
    output: str


@dataclass(frozen=True)
class Memory:
    """Peaks in bytes: the process itself, and the whole tree at one moment (`Pss`, so
    that what processes share counts once)."""

    own: int
    tree: int


@dataclass(frozen=True)
class Series:
    """What several runs of one contender took."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{min(self.seconds):.3f} / {self.median:.3f} / {max(self.seconds):.3f}"


class Failed(Exception):
    """A contender did not do what it was asked to."""


def timed(command: Sequence[str], folder: Path) -> Sample:
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-800:]
        raise Failed(f"{' '.join(command)} ended with {done.returncode}\n{tail}")
    return Sample(seconds, done.stdout)


def memory_of(command: Sequence[str], folder: Path) -> Memory:
    """Samples a process and its tree until it ends."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    done = threading.Event()
    own = tree = 0

    def watch() -> None:
        nonlocal own, tree
        while not done.wait(SAMPLE_EVERY):
            own = max(own, _field(process.pid, "status", "VmHWM:"))
            tree = max(tree, sum(_pss(pid) for pid in _tree(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}")
    return Memory(own, tree)


def _tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, _read(task).split())
    return found


def _pss(pid: int) -> int:
    return _field(pid, "smaps_rollup", "Pss:")


def _field(pid: int, file: str, name: str) -> int:
    for line in _read(Path(f"/proc/{pid}/{file}")).splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    """The file's text; a process that has gone has none."""
    try:
        return path.read_text()
    except OSError:
        return ""
