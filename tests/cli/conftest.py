"""Shared by the tests of the command line: real processes, and views to show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidemill.cli.display.board import Board
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import RunView, TaskView

Tidemill = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment without what would change how output looks."""
    dropped = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def tidemill(tmp_path: Path, clean_environment: dict[str, str]) -> Tidemill:
    """Runs `tidemill …` in an empty folder, as a process of its own."""

    def run(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        settings.setdefault("cwd", tmp_path)
        settings.setdefault("env", clean_environment)
        return subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **settings,
        )

    return run


@pytest.fixture
def a_run() -> RunView:
    return RunView(
        number=7,
        pipeline="release",
        state=RunState.RUNNING,
        file="release.tide",
        digest="0" * 64,
        created_at=999.0,
        started_at=1000.0,
    )


@pytest.fixture
def board(a_run: RunView) -> Board:
    return Board(a_run)


@pytest.fixture
def make_task() -> Callable[..., TaskView]:
    """A task by its key and state; ended ones took two seconds."""

    def make(key: str, state: TaskState = TaskState.BLOCKED, **fields: Any) -> TaskView:
        task = TaskView(key=key, step=key.partition("[")[0], state=state)
        if state is TaskState.RUNNING:
            task = replace(task, attempt=1, started_at=1000.0)
        if state.ended:
            task = replace(task, attempt=1, started_at=1000.0, ended_at=1002.0)
        return replace(task, **fields)

    return make


class Running:
    """A `tidemill` process whose lines of stdout are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seen: list[str] = []

    def until(self, text: str) -> str:
        """Reads on until a line holds the text, and returns that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line.rstrip("\n"))
            if text in line:
                return self.seen[-1]
        pytest.fail(f"ended without {text!r}: {self.seen} {self.errors()}")

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def end(self) -> int:
        """Reads all the rest and returns the exit code."""
        assert self.process.stdout is not None
        self.seen += (line.rstrip("\n") for line in self.process.stdout)
        return self.process.wait(timeout=60)


@pytest.fixture
def start(tmp_path: Path, clean_environment: dict[str, str]) -> Iterator[Callable[..., Running]]:
    """Starts `tidemill …` in the test's folder and lets it run."""
    started: list[Running] = []

    def begin(*arguments: str) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=tmp_path,
            env=clean_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Running(process))
        return started[-1]

    yield begin
    for running in started:
        running.process.kill()
        running.process.communicate()


@pytest.fixture
def tide(tmp_path: Path) -> Callable[..., Path]:
    """Writes a `.tide` file of one pipeline with these items."""

    def write(items: str, name: str = "x.tide") -> Path:
        path = tmp_path / name
        path.write_text(f"pipeline demo {{\n{items}\n}}\n", "utf-8")
        return path

    return write
