"""A run as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from tidemill.cli.display.board import Board
from tidemill.cli.display.jsonl import JsonDisplay
from tidemill.cli.display.outlet import Outlet
from tidemill.cli.shapes import run_shape, task_shape
from tidemill.model.states import TaskState
from tidemill.model.views import RunView, TaskView

MakeTask = Callable[..., TaskView]


def events(board: Board, tmp_path: Path, play: Callable[[JsonDisplay], None]) -> list[Any]:
    path = tmp_path / "events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    outlet = Outlet(descriptor)
    play(JsonDisplay(board, outlet))
    outlet.drain()
    os.close(descriptor)
    assert path.read_bytes().isascii()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_event_is_one_object_on_a_line(
    board: Board, make_task: MakeTask, tmp_path: Path
) -> None:
    def play(display: JsonDisplay) -> None:
        display.run_changed(board.run)
        display.tasks_changed([make_task("a"), make_task("b", TaskState.RUNNING)])
        display.output("b", 2, "\x1b[2J ünï\u2028 \ud800")

    run, first, second, output = events(board, tmp_path, play)
    assert (run["event"], run["number"], run["state"]) == ("run", 7, "running")
    assert (first["event"], first["task"], first["state"]) == ("task", "a", "blocked")
    assert (second["run"], second["state"], second["attempt"]) == (7, "running", 1)
    assert output["text"] == "\x1b[2J ünï\u2028 \ud800"
    assert (output["run"], output["task"], output["attempt"]) == (7, "b", 2)
    assert all(isinstance(event["at"], float) for event in (run, first, second, output))


def test_no_field_of_a_view_is_forgotten(a_run: RunView, make_task: MakeTask) -> None:
    assert set(run_shape(a_run)) == {field.name for field in fields(RunView)}
    named = {field.name for field in fields(TaskView)} - {"key"} | {"task"}
    assert set(task_shape(make_task("a"))) == named
