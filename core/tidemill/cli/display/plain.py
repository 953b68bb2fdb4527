"""A run as plain lines: for pipes, CI and `--plain`.

unit[3.12] | what the step prints
unit[3.12] succeeded in 1.2 s
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tidemill.cli import words
from tidemill.cli.console import say
from tidemill.cli.display.board import Board
from tidemill.cli.display.outlet import Outlet
from tidemill.cli.style import Paint
from tidemill.cli.text import clean, plural
from tidemill.cli.times import duration
from tidemill.model.states import RunState, TaskState
from tidemill.model.views import LATE_WORDS, LateView, RunView, TaskView

_SILENT: Final = frozenset(
    {TaskState.BLOCKED, TaskState.READY, TaskState.QUEUED, TaskState.RESERVED}
)


class PlainDisplay:
    """An observer that writes a line for each thing that happens."""

    def __init__(self, board: Board, outlet: Outlet, paint: Paint) -> None:
        self._board = board
        self._outlet = outlet
        self._paint = paint
        self._names: dict[str, str] = {}
        self._announced: dict[str, int] = {}
        self._started = False

    def open(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Says how the run ended, if it did."""
        if self._board.run.state.ended:
            self._outlet.write(f"{ending(self._board, self._paint)}\n")

    def notice(self, text: str) -> None:
        """For the person, not for whoever reads the lines."""
        say(text)

    def run_changed(self, run: RunView) -> None:
        self._board.run = run

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        if not self._started:
            self._start(tasks)
        before = self._board.tasks
        for task in tasks:
            old = before.get(task.key)
            line = self._line(old, task)
            if line:
                self._outlet.write(line)
        self._board.apply(tasks)

    def late(self, found: LateView) -> None:
        name = self._name(found.key) if found.key else title(self._board.run)
        what = self._paint.state(TaskState.TIMED_OUT, LATE_WORDS[found.event])
        self._outlet.write(f"{name} {what}: {clean(found.detail)}\n")

    def output(self, key: str, attempt: int, text: str) -> None:
        if self._announced.get(key) != attempt:
            self._announce(key, attempt)
        self._board.output(key, attempt, text)
        shown = text if text.isprintable() else clean(text, colour=self._paint.on)
        self._outlet.write_line(f"{self._name(key)} | {shown}\n")

    def _start(self, tasks: Sequence[TaskView]) -> None:
        self._started = True
        run = self._board.run
        again = f", again what run {run.retry_of} left" if run.retry_of else ""
        self._outlet.write(f"{title(run)}: {plural(len(tasks), 'task')}{again}\n")

    def _announce(self, key: str, attempt: int) -> None:
        """Its output may come before the news that a task runs; people read the news
        first."""
        self._announced[key] = attempt
        task = self._board.tasks.get(key)
        if task is not None and (task.state, task.attempt) != (TaskState.RUNNING, attempt):
            news = replace(task, state=TaskState.RUNNING, attempt=attempt, waits_until=None)
            self._outlet.write(self._text(news))

    def _line(self, old: TaskView | None, task: TaskView) -> str:
        if old is not None and (old.state, old.attempt) == (task.state, task.attempt):
            return ""
        if task.state in _SILENT and task.waits_until is None:
            return ""
        if task.state is TaskState.RUNNING and self._announced.get(task.key) == task.attempt:
            return ""
        return self._text(task)

    def _text(self, task: TaskView) -> str:
        return f"{self._name(task.key)} {self._paint.state(task.state, happened(task))}\n"

    def _name(self, key: str) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = clean(key)
        return name


def happened(task: TaskView) -> str:
    """What became of a task, without its name: `failed after 3.0 s: exit code 2`."""
    state = task.state
    if task.carried_from is not None:
        return f"{words.word(state)} in run {task.carried_from}"
    if state is TaskState.RUNNING:
        return f"started{_attempt(task)}"
    if state is TaskState.DELEGATED:
        return f"started as run {task.child}{_attempt(task)}"
    if state is TaskState.READY:
        return _waits(task)
    if state is TaskState.AWAITING_APPROVAL and task.approval is not None:
        return f"waits for approval: {words.asked(task.approval)}: {clean(task.approval.command)}"
    if task.cached_from is not None:
        return f"cached from run {task.cached_from}"
    why = f": {clean(words.reason(task))}" if words.reason(task) else ""
    if state is TaskState.SUCCEEDED:
        return f"succeeded{_took(task, 'in')}{why}"
    allowed = " (allowed to fail)" if task.allow_failure and state in words.BAD else ""
    return f"{words.word(state)}{_took(task, 'after')}{_attempt(task)}{why}{allowed}"


def _attempt(task: TaskView) -> str:
    return f" ({words.attempts(task)})" if task.attempt > 1 else ""


def _took(task: TaskView, preposition: str) -> str:
    if task.started_at is None or task.ended_at is None:
        return ""
    return f" {preposition} {duration(task.ended_at - task.started_at)}"


def _waits(task: TaskView) -> str:
    wait = (task.waits_until or 0) - time.time()
    why = clean(words.reason(task))
    did = f"{words.attempts(task)} did not succeed".lstrip()
    again = f" in {duration(wait)}" if wait > 0 else ""
    return f"{did}{f' ({why})' if why else ''}, tries again{again}"


def title(run: RunView) -> str:
    return f"{clean(run.pipeline)} #{run.number}"


def tally(board: Board) -> str:
    """`12 succeeded, 1 failed`: every state that occurs, in the order of the states."""
    counted = ((state, board.counts[state]) for state in TaskState)
    return ", ".join(f"{count:,} {words.word(state)}" for state, count in counted if count)


def ending(board: Board, paint: Paint) -> str:
    """The last line of a run: how it ended, how long it took, what became of its tasks."""
    run = board.run
    started = run.started_at or run.created_at
    took = f" in {duration((run.ended_at or time.time()) - started)}"
    state = RunState(run.state)
    detail = f" ({clean(run.detail)})" if run.detail else ""
    return f"{title(run)} {paint.run(state, words.word(state) + took)}{detail}: {tally(board)}"
