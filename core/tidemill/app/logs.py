"""Logs of steps in files: one for each attempt, written as the output comes.

A log that cannot be written (a full disk) is given up with one note; the step goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tidemill.model.messages import Output
from tidemill.model.rows import TaskRef

log = logging.getLogger(__name__)


def log_path(folder: Path, ordinal: int, key: str, attempt: int) -> Path:
    """Where an attempt's log stands; the key is there for people who look."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in key)[:60]
    return folder / f"{ordinal:05d}-{safe}.{attempt}.log"


class FileLogs:
    """`folder_of` says where the logs of a run stand."""

    def __init__(self, folder_of: Callable[[int], Path]) -> None:
        self._folder_of = folder_of
        self._open: dict[tuple[TaskRef, int], IO[str] | None] = {}

    def write(self, output: Output) -> None:
        key = (TaskRef(output.run, output.ordinal), output.attempt)
        try:
            if key not in self._open:
                self._open[key] = self._start(output)
            file = self._open[key]
            if file is not None:
                file.write(output.text)
                file.flush()
        except OSError as error:
            self._open[key] = None
            log.warning("the log of %s cannot be written: %s", output.key, error.strerror)

    def end(self, ref: TaskRef) -> None:
        """The task has ended: its files are closed."""
        for key in [key for key in self._open if key[0] == ref]:
            file = self._open.pop(key)
            if file is not None:
                file.close()

    def close(self) -> None:
        for file in self._open.values():
            if file is not None:
                file.close()
        self._open.clear()

    def _start(self, output: Output) -> IO[str]:
        folder = self._folder_of(output.run)
        folder.mkdir(parents=True, exist_ok=True)
        path = log_path(folder, output.ordinal, output.key, output.attempt)
        return path.open("a", encoding="utf-8", errors="replace", newline="")
