"""The logs of a run of the fleet, once or until it ends: out of the stream that workers
write to, whichever machine they are on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tidemill.cli import console
from tidemill.cli.logs import chosen
from tidemill.cli.text import clean, plural
from tidemill.model.rows import TaskRef

if TYPE_CHECKING:
    from tidemill.app import History, Project
    from tidemill.app.reach import Piece

_BETWEEN = 0.5
"""Seconds between two looks at whether the run has ended, or has others below it."""


_LATE = 10.0
"""Seconds that a server which has gone may take to give the end of what there is."""


class FleetLogs:
    """Those of the tasks of a run, and of those below it, that were asked for."""

    def __init__(
        self, project: Project, history: History, number: int, step: str | None, attempt: int | None
    ) -> None:
        self._project = project
        self._history = history
        self._number = number
        self._step = step
        self._attempt = attempt
        tasks = chosen(history.tasks(number), number, step)
        self._single = len(tasks) == 1
        self._keys: dict[TaskRef, str] = {}
        self._latest = {task.key: task.attempt for task in tasks}
        self._look()

    def show(self) -> None:
        """Prints what there is now, task by task; of each the latest attempt."""
        by_task: dict[str, list[Piece]] = {key: [] for key in self._keys.values()}

        def keep(piece: Piece) -> None:
            key = self._keys.get(piece.ref)
            if key is not None and piece.attempt == (self._attempt or self._latest.get(key)):
                by_task[key].append(piece)

        asyncio.run(self._read(sorted({ref.run for ref in self._keys}), keep, follow=False))
        for key, pieces in by_task.items():
            for piece in pieces:
                self._print(key, piece)
        if not any(by_task.values()):
            which = f" in attempt {self._attempt}" if self._attempt else ""
            click.echo(f"nothing was printed{which}", err=True)
        sys.stdout.flush()

    def follow(self) -> None:
        """Prints what there is and what comes, until the run ends."""
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        readers: dict[int, asyncio.Task[None]] = {}
        quiet = asyncio.Event()
        while True:
            ended = self._history.run(self._number).state.ended
            self._look()
            for run in {ref.run for ref in self._keys} - readers.keys():
                readers[run] = asyncio.create_task(
                    self._read([run], self._came, follow=True, quiet=quiet)
                )
            if ended:  # what was on its way still comes
                quiet.clear()
                await asyncio.wait({asyncio.create_task(quiet.wait())}, timeout=_LATE)
                break
            await asyncio.sleep(_BETWEEN)
            for reader in readers.values():
                if reader.done():
                    reader.result()
        for reader in readers.values():
            reader.cancel()
        await asyncio.gather(*readers.values(), return_exceptions=True)

    def _look(self) -> None:
        self._keys |= self._history.refs(self._number, self._step)

    def _came(self, piece: Piece) -> None:
        if piece.ref not in self._keys:
            self._look()
        key = self._keys.get(piece.ref)
        if key is not None and self._attempt in (None, piece.attempt):
            self._print(key, piece)
            sys.stdout.flush()

    async def _read(
        self,
        runs: list[int],
        take: Callable[[Piece], None],
        *,
        follow: bool,
        quiet: asyncio.Event | None = None,
    ) -> None:
        from tidemill.app import reach

        async for piece in reach.pieces(self._project, runs, follow=follow):
            if piece is not None:
                take(piece)
            elif quiet is not None:
                quiet.set()

    def _print(self, key: str, piece: Piece) -> None:
        prefix = "" if self._single else f"{clean(key)} | "
        if piece.missing:
            gap = f"[tidemill: {plural(piece.missing, 'piece')} of the output missing]"
            sys.stdout.write(f"{prefix}{gap}\n")
        if not piece.text:
            return  # all that is known is that something is missing
        colour = console.colour()
        for line in piece.text.removesuffix("\n").split("\n"):
            sys.stdout.write(f"{prefix}{clean(line, colour=colour)}\n")
