"""Copies of steps' inputs that are made ahead of their start: to put one into its place then
takes no time, whatever its size.

What was made for other inputs than the start is given is of no use. All is gone with the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.spi import InputFile, Work

NAME = "ahead"


@dataclass(frozen=True, slots=True)
class Copies:
    """`filling` is done when all are there, or cannot be."""

    place: Path
    inputs: tuple[InputFile, ...]
    filling: asyncio.Future[None]


class Ahead:
    """`copy(item, target)` makes a copy; it and `shutil` are called in threads."""

    def __init__(self, copy: Callable[[InputFile, Path], None]) -> None:
        self._copy = copy
        self._made: dict[str, Copies] = {}
        self._removing: set[asyncio.Task[None]] = set()

    async def make(self, folder: Path, work: Work) -> None:
        """Raises: OSError: a copy could not be made."""
        self.discard(work.id)
        if work.inputs:
            place = folder / NAME / f"{work.id}-{secrets.token_hex(4)}"
            filling = asyncio.ensure_future(asyncio.to_thread(self._fill, place, work))
            self._made[work.id] = Copies(place, work.inputs, filling)
            await asyncio.shield(filling)

    def _fill(self, place: Path, work: Work) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, item in enumerate(work.inputs):
            draft = place / f"{number}.new"
            self._copy(item, draft)
            draft.rename(place / str(number))  # whole, or not there

    def take(self, work: Work) -> Path | None:
        """The folder with the copies, by their numbers: of those that were made."""
        copies = self._made.pop(work.id, None)
        if copies is None:
            return None
        if copies.inputs == work.inputs and copies.filling.done():
            return copies.place
        self._remove(copies)
        return None

    def discard(self, name: str) -> None:
        """Work of this id is not started."""
        if (copies := self._made.pop(name, None)) is not None:
            self._remove(copies)

    def _remove(self, copies: Copies) -> None:
        removing = asyncio.get_running_loop().create_task(_removed(copies))
        self._removing.add(removing)
        removing.add_done_callback(self._removing.discard)

    async def close(self) -> None:
        """Returns when nobody writes or removes anything any more."""
        for name in tuple(self._made):
            self.discard(name)
        if self._removing:
            await asyncio.wait(self._removing)


async def _removed(copies: Copies) -> None:
    with contextlib.suppress(OSError):
        await copies.filling
    await asyncio.to_thread(shutil.rmtree, copies.place, ignore_errors=True)
