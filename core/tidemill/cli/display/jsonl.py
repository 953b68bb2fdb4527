"""A run as JSON lines: one object for every event, and nothing else on stdout.

The shape is documented in `docs/reference/cli.md`; it is an interface: fields are only
ever added. Everything is ASCII, so no step's output can reach a terminal raw.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.cli.console import say
from tidemill.cli.display.board import Board
from tidemill.cli.display.outlet import Outlet
from tidemill.cli.shapes import run_shape, task_shape
from tidemill.model.views import LateView, RunView, TaskView

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def left_out(lines: int) -> str:
    """Stands where lines of output were left out for a slow reader."""
    return _line("output_left_out", {"lines": lines})


def _line(event: str, fields: Mapping[str, Any]) -> str:
    return f"{_encode({'event': event, 'at': round(time.time(), 3), **fields})}\n"


class JsonDisplay:
    """An observer that writes every event as one JSON object on a line."""

    def __init__(self, board: Board, outlet: Outlet) -> None:
        self._board = board
        self._outlet = outlet
        self._number = board.run.number

    def open(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """The last event of the run has said how it ended."""

    def notice(self, text: str) -> None:
        """For the person, not an event."""
        say(text)

    def run_changed(self, run: RunView) -> None:
        self._board.run = run
        self._outlet.write(_line("run", run_shape(run)))

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        self._board.apply(tasks)
        write, number = self._outlet.write, self._number
        for task in tasks:
            write(_line("task", {"run": number, **task_shape(task)}))

    def late(self, found: LateView) -> None:
        fields = {"run": self._number, "task": found.key, "detail": found.detail}
        self._outlet.write(_line(found.event, fields))

    def output(self, key: str, attempt: int, text: str) -> None:
        fields = {"run": self._number, "task": key, "attempt": attempt, "text": text}
        self._outlet.write_line(_line("output", fields))
