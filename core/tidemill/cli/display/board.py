"""The state of a run as its displays know it, kept up to date event by event.

Every event costs the same however many tasks there are, and lookups that a display
makes many times a second (who runs, what failed, how many) cost what they return.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tidemill.cli.words import BAD
from tidemill.model.states import TaskState
from tidemill.model.views import RunView, TaskView

TAIL_LINES: Final = 20
_TAIL_WIDTH: Final = 2000
"""Characters kept of a line: progress bars that are one endless line are seen at their
end, everything else at its beginning."""


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last lines of one attempt."""

    attempt: int
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))


class Board:
    """A run, its tasks in topological order, and the last lines of those that matter."""

    def __init__(self, run: RunView) -> None:
        self.run = run
        self.tasks: dict[str, TaskView] = {}
        self.positions: dict[str, tuple[int, ...]] = {}
        """Where a task stands: the place of its step's first task, and its own; those of
        a run below behind the task that the run is for."""
        self._places: dict[str, int] = {}
        self._late = False
        self.counts: Counter[TaskState] = Counter()
        self.running: dict[str, None] = {}
        self.asking: dict[str, None] = {}
        self.failed: dict[str, None] = {}
        self.recent: deque[str] = deque(maxlen=64)
        self._tails: dict[str, _Tail] = {}

    @property
    def done(self) -> int:
        """How many tasks have ended."""
        return sum(count for state, count in self.counts.items() if state.ended)

    def apply(self, tasks: Sequence[TaskView]) -> None:
        for task in tasks:
            self._apply(task)

    def output(self, key: str, attempt: int, text: str) -> None:
        """Output may come before the news that the attempt runs."""
        tail = self._tails.get(key)
        if tail is None or tail.attempt != attempt:
            tail = self._tails[key] = _Tail(attempt)
        tail.lines.append(text if len(text) <= _TAIL_WIDTH else _shortened(text))

    def tail(self, key: str) -> Sequence[str]:
        """The last lines of a task that runs or has failed, as the step wrote them."""
        tail, task = self._tails.get(key), self.tasks.get(key)
        if tail is None or (task is not None and tail.attempt < task.attempt):
            return ()
        return tail.lines

    def rows(self) -> list[TaskView]:
        """All tasks in topological order."""
        return self.in_order(self.tasks) if self._late else list(self.tasks.values())

    def in_order(self, keys: Iterable[str]) -> list[TaskView]:
        """The tasks of these keys in topological order."""
        return [self.tasks[key] for key in sorted(keys, key=self.positions.__getitem__)]

    def _apply(self, task: TaskView) -> None:
        key, before = task.key, self.tasks.get(task.key)
        if task.state is TaskState.EXPANDED:
            self._expand(before)
            return
        self.tasks[key] = task
        if before is None:
            count = len(self.positions)
            place = (self._places.setdefault(task.step, count), count)
            self.positions[key] = (*self._above(key), *place)
        elif before.state is task.state and before.attempt == task.attempt:
            return
        else:
            self._leave(before)
        self._enter(task)

    def _above(self, key: str) -> tuple[int, ...]:
        """The position of the task that a run below is for: `checks[a/b]` of
        `checks[a/b]/lint`."""
        end = key.rfind("/")
        while end > 0 and key[:end] not in self.tasks:
            end = key.rfind("/", 0, end)
        if end <= 0:
            return ()
        self._late = True
        return self.positions[key[:end]]

    def _expand(self, before: TaskView | None) -> None:
        """What stood for the tasks of a fan-out makes room for them: they come last, and
        stand where it stood."""
        if before is not None:
            self._leave(before)
            del self.tasks[before.key]
            self._late = True

    def _leave(self, task: TaskView) -> None:
        self.counts[task.state] -= 1
        self.running.pop(task.key, None)
        self.asking.pop(task.key, None)
        self.failed.pop(task.key, None)

    def _enter(self, task: TaskView) -> None:
        key, state = task.key, task.state
        self.counts[state] += 1
        if state is TaskState.RUNNING:
            self.running[key] = None
        elif state is TaskState.AWAITING_APPROVAL:
            self.asking[key] = None
        elif state in BAD:
            self.failed[key] = None
        elif state.ended:
            self._tails.pop(key, None)
        if state.ended and task.started_at is not None:
            self.recent.append(key)


def _shortened(text: str) -> str:
    return text[-_TAIL_WIDTH:] if "\r" in text else text[:_TAIL_WIDTH]
