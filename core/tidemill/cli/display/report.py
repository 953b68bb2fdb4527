"""What is said of a run's failures at its end: what failed, why, the last lines, and the
commands that look further and go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from shlex import quote
from typing import Final

from tidemill.cli.display.board import Board
from tidemill.cli.display.plain import happened
from tidemill.cli.style import Paint
from tidemill.cli.text import clean
from tidemill.model.states import RunState
from tidemill.model.views import TaskView

_MOST: Final = 3
"""How many failed tasks are shown with their output."""


def failures(board: Board, paint: Paint) -> str:
    """The report as text with line ends; empty where there is nothing to report."""
    return "".join(f"{line}\n" for line in _lines(board, paint))


def _lines(board: Board, paint: Paint) -> Iterator[str]:
    number = board.run.number
    if board.run.state is RunState.SUCCEEDED:
        return
    failed = [task for task in board.in_order(board.failed) if not task.allow_failure]
    failed = [task for task in failed if not _is_told_below(task, failed)]
    for task in islice(failed, _MOST):
        yield ""
        yield from _one(board, task, paint)
    if len(failed) > _MOST:
        yield ""
        names = ", ".join(clean(task.key) for task in failed[_MOST : 3 * _MOST])
        more = " …" if len(failed) > 3 * _MOST else ""
        yield f"{len(failed) - _MOST:,} more failed: {names}{more} (tidemill status {number})"
    yield ""
    what = "retry what failed" if failed else "go on with the rest"
    yield f"{what}: {paint.strong(f'tidemill retry {number}')}"


def _is_told_below(task: TaskView, failed: list[TaskView]) -> bool:
    """Whether what failed in the run of its pipeline is told anyway."""
    return any(other.key.startswith(f"{task.key}/") for other in failed)


def _one(board: Board, task: TaskView, paint: Paint) -> Iterator[str]:
    name, number = clean(task.key), board.run.number
    yield f"{paint.strong(name)} {paint.state(task.state, happened(task))}"
    if task.approval is not None:
        return  # people decided: nothing was printed
    if task.child is not None:
        yield f"its tasks: tidemill status {task.child}"
        return
    tail = board.tail(task.key)
    for text in tail:
        yield f"  {paint.faint('|')} {clean(text, colour=paint.on)}"
    if not tail:
        yield f"  {paint.faint('(it printed nothing)')}"
    yield f"full log: tidemill logs {number} {quote(name)}"
