"""Reading the logs of a run, once or until it ends.

A run of another process is followed by looking at its files and its state a few times a
second; the engine that writes them is not disturbed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tidemill.cli import console
from tidemill.cli.suggest import did_you_mean
from tidemill.cli.text import clean
from tidemill.errors import UsageError
from tidemill.model.views import TaskView

if TYPE_CHECKING:
    from tidemill.app import History

_BETWEEN: Final = 0.2
"""Seconds between two looks at a run that goes."""
_PIECE: Final = 1 << 16


class Logs:
    """The logs of those tasks of a run that were asked for."""

    def __init__(
        self, history: History, number: int, step: str | None, attempt: int | None
    ) -> None:
        self.number = number
        self.attempt = attempt
        self._history = history
        self._step = step
        history.run(number)  # an unknown run is said to be so
        self.single = len(self.tasks()) == 1

    def tasks(self) -> list[TaskView]:
        """The tasks asked for, as they are now, in topological order."""
        return chosen(self._history.tasks(self.number), self.number, self._step)

    def ended(self) -> bool:
        """Nobody will write to the logs any more."""
        run = self._history.run(self.number)
        return run.state.ended or run.interrupted

    def path(self, task: TaskView, attempt: int | None = None) -> Path | None:
        """The log of the attempt asked for, or of the latest; None where there is none."""
        which = attempt or self.attempt or task.attempt or None
        path = self._history.log(self.number, task.key, which)
        return path if path is not None and path.exists() else None


def chosen(tasks: list[TaskView], number: int, step: str | None) -> list[TaskView]:
    """Those of a run's tasks that a step's name or a task's key stands for.

    Raises:
        UsageError: none is called so.
    """
    found = [task for task in tasks if step in (None, task.key, task.step)]
    if found or step is None:
        return found
    names = dict.fromkeys([task.step for task in tasks] + [task.key for task in tasks])
    steps = ", ".join(dict.fromkeys(task.step for task in tasks))
    raise UsageError(
        f"run {number} has no step '{step}'.{did_you_mean(step, names)}", f"its steps are {steps}"
    )


def show(logs: Logs) -> None:
    """Prints what there is now."""
    found = [(task, path) for task in logs.tasks() if (path := logs.path(task))]
    if not found:
        which = f" in attempt {logs.attempt}" if logs.attempt else ""
        click.echo(f"nothing was printed{which}", err=True)
    for task, path in found:
        if logs.single and not sys.stdout.isatty():
            _copy(path)
        else:
            Feed(task.key, path, prefixed=not logs.single).show(to_end=True)


def follow(logs: Logs) -> None:
    """Prints what there is and what comes, until the run ends."""
    feeds: dict[tuple[str, int], Feed] = {}
    complete: set[tuple[str, int]] = set()
    while True:
        ended = logs.ended()  # asked first: what was written before the end is still read
        for task, attempt in _attempts(logs):
            name = (task.key, attempt)
            if name in complete:
                continue
            over = ended or task.state.ended or attempt < task.attempt
            if name not in feeds and (path := logs.path(task, attempt)):
                feeds[name] = Feed(task.key, path, prefixed=not logs.single)
            if name in feeds:
                feeds[name].show(to_end=over)
            if over:
                complete.add(name)
                feeds.pop(name, None)
        sys.stdout.flush()
        if ended:
            return
        time.sleep(_BETWEEN)


def _attempts(logs: Logs) -> Iterator[tuple[TaskView, int]]:
    for task in logs.tasks():
        for attempt in range(1, task.attempt + 1):
            if logs.attempt in (None, attempt):
                yield task, attempt


class Feed:
    """One log, read from where the last look ended, shown line by line."""

    def __init__(self, key: str, path: Path, *, prefixed: bool) -> None:
        self._prefix = f"{clean(key)} | " if prefixed else ""
        self._path = path
        self._offset = 0
        self._rest = b""

    def show(self, *, to_end: bool) -> None:
        """Prints the lines that are complete, and `to_end` also what is left."""
        for data in self._pieces():
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._print(lines)
            if len(self._rest) > _PIECE:
                self._print([self._rest])
                self._rest = b""
        if to_end and self._rest:
            self._print([self._rest])
            self._rest = b""

    def _pieces(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while data := file.read(_PIECE):
                self._offset += len(data)
                yield data

    def _print(self, lines: list[bytes]) -> None:
        coloured = console.colour()
        texts = (clean(line.decode("utf-8", "replace"), colour=coloured) for line in lines)
        sys.stdout.write("".join(f"{self._prefix}{text}\n" for text in texts))


def _copy(path: Path) -> None:
    sys.stdout.flush()
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
