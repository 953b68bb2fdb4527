"""What people and programs are shown of runs and tasks: frozen, complete, plain.

All times are seconds since the epoch in UTC (float), or None where it has not happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidemill.model.changes import Changes
from tidemill.model.states import RunState, TaskState


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """What a step asks of people. `by` are the users and groups that may decide, anybody
    where it is empty. The others are set only while it waits: `until` when at the latest
    (None: for ever), and the `command` that decides."""

    by: tuple[str, ...] = ()
    prompt: str = ""
    until: float | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task: an instance of a step. `key` is what people call it: `unit`, or
    `unit[3.12]` for an instance of a fan-out. `needs` are step names. `waits_until` is
    when a retry starts. `carried_from` is the run whose result was taken over. `approval`
    is set for a step that asks people; `cached_from` is the run out of which the cache
    had its result. `pipeline` is the pipeline that it runs, where it does, and `child` the run
    that does so, or last did.

    `unit[…]` stands for all tasks of a fan-out until its list is known; `unknown_until` has
    the steps whose outputs that list is made of, and is None for every other task. It
    becomes `expanded` when the tasks are there."""

    key: str
    step: str
    state: TaskState
    needs: tuple[str, ...] = ()
    attempt: int = 0
    attempts: int = 1
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    detail: str = ""
    waits_until: float | None = None
    allow_failure: bool = False
    carried_from: int | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    approval: ApprovalView | None = None
    cached_from: int | None = None
    unknown_until: tuple[str, ...] | None = None
    pipeline: str | None = None
    child: int | None = None


LATE_WORDS = {
    "deadline_at_risk": "may miss its deadline",
    "deadline_missed": "has missed its deadline",
}


@dataclass(frozen=True, slots=True)
class LateView:
    """What happened to the deadline of a run, or of its task `key`. `event` is one of
    `LATE_WORDS`."""

    at: float
    event: str
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. `interrupted` is set where its process died and nobody drives it now.
    `parent` is the run of which it does a step's work. `deadline_at` is by when it is to have
    ended; `late` what happened to its deadline and those of its tasks, in order."""

    number: int
    pipeline: str
    state: RunState
    file: str
    digest: str
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    retry_of: int | None = None
    interrupted: bool = False
    detail: str = ""
    parent: int | None = None
    deadline_at: float | None = None
    late: tuple[LateView, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheView:
    """What the last attempt of a cached task found: the run whose result it used (`hit`),
    or why it used none. `since` is the run of the last attempt before it that looked,
    None where there is none; `since_ok` whether that one succeeded; `changes` what has
    become of the parts of the key since then."""

    key: str
    hit: int | None
    reason: str
    since: int | None = None
    since_ok: bool = False
    changes: Changes = field(default_factory=Changes)


class Observer(Protocol):
    """Told what happens in a run, in order, on the event loop's thread. Must be quick."""

    def run_changed(self, run: RunView) -> None:
        """The run was made, started, is being cancelled, or ended; not told of the runs
        below it, whose tasks are."""

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        """Tasks are new or changed state. The first call of a run has all that are known,
        in an order in which no task stands before one it needs; those of a fan-out whose
        list is known later come later, with what stood for them as `expanded`, and so do
        those of the runs below it, as `step/task`."""

    def late(self, found: LateView) -> None:
        """A deadline was missed, or may be; not told of those of the runs below."""

    def output(self, key: str, attempt: int, text: str) -> None:
        """A step wrote a line (no line end in it; very long lines come in pieces)."""
