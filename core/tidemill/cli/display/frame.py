"""One picture of a run that goes: what fits a terminal of this size, worth most first.

Pure: a board, a size and a time go in, lines come out. Where not every task fits, those
that run or failed are shown, then those that ended last; the others become counts. The
work is in proportion to the lines, not to the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from rich.cells import cell_len, set_cell_size

from tidemill.cli import words
from tidemill.cli.display.board import TAIL_LINES, Board
from tidemill.cli.display.glyphs import Glyphs
from tidemill.cli.display.plain import title
from tidemill.cli.text import clean
from tidemill.cli.times import duration, ticking
from tidemill.model.states import TaskState
from tidemill.model.views import TaskView

Line = tuple[tuple[str, str], ...]
"""Stretches of text with a rich style each (or "")."""

_TAIL_EACH: Final = 8
_FAINT: Final = "bright_black"
_BAR: Final = 30
_LEAST_BAR: Final = 8
_WORD: Final = len("succeeded")
"""The least width of the states' column, so that it does not jump."""


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """How to draw: everything but the run itself."""

    size: Size
    glyphs: Glyphs
    now: float
    notice: str = ""

    def running(self, board: Board) -> list[Line]:
        """The frame of a run that goes; never higher than the terminal less one line."""
        foot = self._foot(board)
        room = max(1, self.size.height - 1 - len(foot))
        if len(board.tasks) <= room:
            rows = board.rows()
            return self._fit([*self._tasks(board, rows, room), *foot])
        shown = _worth_most(board, room - 2)
        body = self._tasks(board, shown, room - 2)
        hidden = _hidden(board, shown)
        above = self._counts(board, hidden, (s for s in TaskState if s.ended))
        below = self._counts(board, hidden, reversed([s for s in TaskState if not s.ended]))
        return self._fit([*above, *body, *below, *foot])

    def ended(self, board: Board) -> list[Line]:
        """What stays on the screen: every task if they fit, else what went wrong."""
        room = max(1, self.size.height - 4)
        if len(board.tasks) <= room:
            return self._fit(self._rows(board.rows()))
        shown = board.in_order(islice(board.failed, max(0, room - 1)))
        hidden = _hidden(board, shown)
        return self._fit([*self._counts(board, hidden, TaskState), *self._rows(shown)])

    # --- parts -------------------------------------------------------------------

    def _tasks(self, board: Board, tasks: Sequence[TaskView], room: int) -> list[Line]:
        """Rows, and below each that runs as many of its last lines as there is room."""
        asking = sum(task.state is TaskState.AWAITING_APPROVAL for task in tasks)
        spare = max(0, room - len(tasks) - asking)
        live = [task for task in tasks if task.state is TaskState.RUNNING]
        each = min(TAIL_LINES if len(live) == 1 else _TAIL_EACH, spare // max(1, len(live)))
        lines: list[Line] = []
        for task, row in zip(tasks, self._rows(tasks), strict=True):
            lines.append(row)
            if task.state is TaskState.AWAITING_APPROVAL and asking <= room - len(tasks):
                lines.append(self._command(task))
            if task.state is TaskState.RUNNING and each:
                lines += (self._said(text) for text in list(board.tail(task.key))[-each:])
        return lines

    def _rows(self, tasks: Sequence[TaskView]) -> list[Line]:
        names = [self._cut(clean(task.key), max(8, self.size.width * 2 // 5)) for task in tasks]
        name_width = max(map(cell_len, names), default=0)
        word_width = max([_WORD, *(len(words.state_word(task)) for task in tasks)])
        return [
            self._row(task, set_cell_size(name, name_width), word_width)
            for task, name in zip(tasks, names, strict=True)
        ]

    def _row(self, task: TaskView, name: str, word_width: int) -> Line:
        colour = words.LOOKS[task.state].colour
        quiet = _FAINT if task.state in (TaskState.BLOCKED, TaskState.SKIPPED) else ""
        return (
            (f"{self.glyphs.of(task.state)} {words.state_word(task):{word_width}} ", colour),
            (f"{name} ", quiet),
            (f"{self._time(task):>9}", ""),
            (self._more(task), _FAINT),
        )

    def _time(self, task: TaskView) -> str:
        if task.started_at is None or task.state in (TaskState.READY, TaskState.QUEUED):
            return ""
        if task.ended_at is None:
            return ticking(self.now - task.started_at)
        return duration(task.ended_at - task.started_at)

    def _more(self, task: TaskView) -> str:
        said = []
        if task.attempt > 1 or task.state is TaskState.READY:
            said.append(words.attempts(task))
        if task.waits_until is not None and not task.state.ended:
            said.append(f"tries again in {ticking(task.waits_until - self.now)}")
        if task.carried_from is not None:
            said.append(f"in run {task.carried_from}")
        if task.approval is not None and task.approval.command:
            said.append(words.asked(task.approval))
        said.append(words.unknown(task))
        if task.state is TaskState.SUCCEEDED:
            said.append(clean(task.detail))
        if task.state in words.BAD:
            said += [clean(words.reason(task)), "allowed to fail" if task.allow_failure else ""]
        return "".join(f"  {text}" for text in said if text)

    def _said(self, text: str) -> Line:
        return ((f"    {self.glyphs.gutter} ", _FAINT), (clean(text).expandtabs(4), ""))

    def _command(self, task: TaskView) -> Line:
        command = clean(task.approval.command) if task.approval is not None else ""
        return ((f"    {self.glyphs.gutter} ", _FAINT), (command, "bold"))

    def _counts(
        self, board: Board, hidden: dict[TaskState, int], states: Iterable[TaskState]
    ) -> list[Line]:
        """One line that counts the tasks of these states that are not shown."""
        parts = []
        for state in states:
            if hidden[state]:
                more = "more " if hidden[state] < board.counts[state] else ""
                text = f"{self.glyphs.of(state)} {hidden[state]:,} {more}{words.word(state)}   "
                parts.append((text, words.LOOKS[state].colour))
        return [tuple(parts)] if parts else []

    def _foot(self, board: Board) -> list[Line]:
        lines: list[Line] = [((self.notice, "yellow"),)] if self.notice else []
        return [*lines, self._progress(board)]

    def _progress(self, board: Board) -> Line:
        total, done = len(board.tasks), board.done
        head = f"{title(board.run)} "
        took = ticking(self.now - (board.run.started_at or board.run.created_at))
        bad = f", {len(board.failed):,} failed" if board.failed else ""
        tail = f" {done:,}/{total:,} done{bad}, {took}"
        width = min(_BAR, self.size.width - 1 - cell_len(head) - len(tail))
        if width < _LEAST_BAR:
            return ((head, "bold"), (tail.lstrip(), ""))
        full, empty = self.glyphs.bar(width, done / total if total else 0.0)
        return ((head, "bold"), (full, "red" if bad else "green"), (empty, _FAINT), (tail, ""))

    # --- cutting -----------------------------------------------------------------

    def _cut(self, text: str, width: int) -> str:
        if cell_len(text) <= width:
            return text
        return set_cell_size(text, max(0, width - 1)) + self.glyphs.cut

    def _fit(self, lines: Sequence[Line]) -> list[Line]:
        """No line wider than the terminal less one column, where cursors wrap."""
        return [self._fit_line(line) for line in lines]

    def _fit_line(self, line: Line) -> Line:
        left, parts = max(1, self.size.width - 1), []
        for text, style in line:
            cut = self._cut(text[: 4 * left], left)
            parts.append((cut, style))
            left -= cell_len(cut)
            if left <= 0:
                break
        return tuple(parts)


def surplus_rows(lines: Sequence[Line], width: int) -> int:
    """How many rows more than lines a picture takes in a terminal that has become this
    narrow, and has wrapped it."""
    cells = (sum(cell_len(text) for text, _ in line) for line in lines)
    return sum((count - 1) // width for count in cells if count)


def _worth_most(board: Board, room: int) -> list[TaskView]:
    """The tasks to show where not all fit: what asks people and what failed take a third
    each at most, what runs the rest, and what ended last fills up."""
    room = max(1, room)
    keys = dict.fromkeys(islice(board.asking, room // 3))
    keys.update(dict.fromkeys(islice(board.failed, max(1, room // 3))))
    keys.update(dict.fromkeys(islice(board.running, max(0, room - len(keys)))))
    spare = (room - len(keys)) // 2
    for key in reversed(board.recent):
        if spare <= 0:
            break
        if key not in keys:
            keys[key] = None
            spare -= 1
    return board.in_order(keys)


def _hidden(board: Board, shown: Sequence[TaskView]) -> dict[TaskState, int]:
    hidden = {state: board.counts[state] for state in TaskState}
    for task in shown:
        hidden[task.state] -= 1
    return hidden
