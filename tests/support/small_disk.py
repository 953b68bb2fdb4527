"""A small disk that a test may fill: a tmpfs of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def mount(*arguments: str) -> None:
    ended = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        pytest.skip(f"needs the right to mount: {ended.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, size: str, *options: str) -> Iterator[None]:
    """Mounts it on a new folder, which is empty again afterwards."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tidemill-test", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Takes all the room that is left."""
    with suppress(OSError), (folder / "big").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def free(folder: Path) -> None:
    (folder / "big").unlink()
