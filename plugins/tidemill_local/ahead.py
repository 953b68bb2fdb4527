"""Copies of steps' inputs that are made ahead of their start: to put one into its place then
takes no time, whatever its size.

Nobody says when work that was got ready is not to be started after all, so only the latest few
are kept; what was dropped is copied at the start, as ever. All is gone with the folder.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from tidemill.spi import InputFile, Work

KEPT = 16
"""Works whose copies are kept, at most."""

NAME = "ahead"


class Ahead:
    """`copy(item, target)` makes a copy; it and `shutil` are called in threads."""

    def __init__(self, copy: Callable[[InputFile, Path], None]) -> None:
        self._copy = copy
        self._made: dict[str, Path] = {}

    async def make(self, folder: Path, work: Work) -> None:
        """Raises: OSError: a copy could not be made."""
        if not work.inputs or work.id in self._made:
            return
        place = folder / NAME / work.id
        self._made[work.id] = place
        await asyncio.to_thread(self._fill, place, work)
        for old in list(self._made)[:-KEPT]:
            await asyncio.to_thread(shutil.rmtree, self._made.pop(old), ignore_errors=True)

    def _fill(self, place: Path, work: Work) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, item in enumerate(work.inputs):
            draft = place / f"{number}.new"
            draft.unlink(missing_ok=True)
            self._copy(item, draft)
            draft.rename(place / str(number))  # whole, or not there

    def take(self, work: Work) -> Path | None:
        """The folder with the copies, by their numbers: of those that were made."""
        return self._made.pop(work.id, None)
