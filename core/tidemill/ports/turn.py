"""What a scheduler's turn needs of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from tidemill.model.rows import (
    AlarmRow,
    AttemptRow,
    AtWork,
    DecisionRow,
    DurationRow,
    EventRow,
    ExpansionRow,
    NoticeRow,
    Queue,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.model.states import RunState

Lease = tuple[TaskRef, int, str]
"""What a worker holds: a task, its fence, and the worker's name."""


class Hand(NamedTuple):
    """What was read when families were taken in hand: the runs at their heads, what was
    asked for beside, and what `Turn.active` says."""

    heads: list[RunRow]
    tasks: list[TaskRow]
    stages: list[StageRow]
    active: AtWork


class Alarms(Protocol):
    """What deadlines need: see `tidemill.model.deadlines`. Each call is one statement."""

    def due_alarms(self, now: float, limit: int) -> list[AlarmRow]:
        """Alarms whose moment has come, the first one first, of families that nobody else has
        in hand; they are kept to the end of the transaction."""

    def alarms(self, refs: Iterable[TaskRef]) -> list[AlarmRow]:
        """Those of tasks, and of whole runs (with the ordinal `WHOLE`)."""

    def alarms_of(self, runs: Iterable[int]) -> list[AlarmRow]:
        """All of these runs."""

    def set_alarms(self, rows: Sequence[AlarmRow]) -> None:
        """Sets them, or moves those that are set."""

    def drop_alarms(self, rows: Sequence[AlarmRow]) -> None: ...

    def move_up(self, runs: Mapping[int, int], seconds: float) -> None:
        """Moves the tasks of these runs forward in line that stand there and are not critical
        already, their runs being raised by so many ranks each."""


class Turn(Alarms, Protocol):
    """What a scheduler's turn needs of a transaction: of all runs, or of a run and those
    below it, where somebody drives these alone. Reads lock what they return against
    other schedulers; writes are compare-and-set on state and fence. Each call is a
    constant number of statements, whatever the number of rows.

    Raises:
        StaleError: a row was not in the state that the change was computed from.
    """

    def definition(self, digest: str) -> bytes: ...

    def definitions(self, digests: Iterable[str]) -> dict[str, bytes]: ...

    def take(
        self,
        runs: Iterable[int],
        tasks: Iterable[TaskRef] = (),
        stages: Iterable[StageRef] = (),
        tasks_of: Iterable[StageRef] = (),
    ) -> Hand:
        """Waits until no other scheduler has the families of these runs in hand, and
        keeps them to the end of the transaction. To be called once, before anything else is
        read for a change. Reads in the same go what will be asked for: of tasks and stages,
        who has all at hand anyway gives nothing."""

    def together(self) -> AbstractContextManager[None]:
        """What is written inside goes to the database in one go; a `StaleError` comes at
        the end. Nothing is read inside."""

    def runs(self, numbers: Iterable[int]) -> list[RunRow]: ...

    def family(self, run: int) -> list[RunRow]:
        """A run, and those below it that have not ended; each behind the one above it."""

    def child(self, run: int, key: str) -> int | None:
        """The run that the task with this key was handed over to last."""

    def stages(self, refs: Iterable[StageRef]) -> list[StageRow]: ...

    def stages_of(self, run: int) -> list[StageRow]: ...

    def tasks(self, refs: Iterable[TaskRef]) -> list[TaskRow]: ...

    def tasks_of(self, stages: Iterable[StageRef]) -> list[TaskRow]:
        """All tasks of these stages, in order."""

    def open_tasks(self, run: int) -> list[TaskRow]:
        """The run's tasks that have not ended."""

    def all_tasks(self, run: int) -> list[TaskRow]: ...

    def expansions(self, runs: Iterable[int]) -> list[ExpansionRow]:
        """The lists of fan-outs that became known while these runs went on."""

    def outputs(
        self, stages: Iterable[StageRef]
    ) -> dict[StageRef, dict[TaskRef, dict[str, Any] | None]]:
        """What the succeeded tasks of these stages put out."""

    def due(self, now: float) -> list[TaskRow]:
        """Tasks that are at work, handed over or wait for approval, whose timer has
        passed, and whose family nobody else has in hand; it is kept to the end of the
        transaction."""

    def next_due(self, now: float) -> float | None:
        """The first timer: of a task at work, also one that has passed; of one that is
        ready, after `now`; of a schedule; of an alarm; of an event that waits for more."""

    def active(self) -> AtWork: ...

    def limited(self, runs: Iterable[int]) -> dict[StageRef, int]:
        """The `stages` of what is at work, of these runs."""

    def ready(
        self,
        now: float,
        limits: Mapping[Queue, int],
        full: Iterable[StageRef] = (),
        full_runs: Iterable[int] = (),
    ) -> list[TaskRow]:
        """The first ready tasks of each of these queues by their place in line, at most so
        many; none of them of a full stage or run, or of a family that somebody else has in
        hand."""

    def open_runs_of(self, schedules: Iterable[int]) -> dict[int, list[int]]:
        """By schedule, its runs that have not ended, the first one first; nothing of those that
        have none."""

    def decisions(self, run: int) -> list[DecisionRow]:
        """What people said to tasks of this run that wait for approval."""

    def new_runs(self, runs: Sequence[RunRow]) -> list[int]:
        """Stores runs and returns their numbers; the rows' own numbers are ignored."""

    def known_definitions(self, digests: Iterable[str]) -> set[str]:
        """Those that are stored. Nobody drops them before the end of the transaction."""

    def add_definition(self, digest: str, pipeline: str, content: bytes, at: float) -> None:
        """Nothing, where it is stored."""

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        """The stages and tasks of new runs."""

    def expand(self, rows: Sequence[ExpansionRow], tasks: Sequence[TaskRow]) -> None:
        """Stores lists that have become known, and the tasks made of them."""

    def save_runs(self, changes: Sequence[tuple[RunRow, RunRow]]) -> None:
        """Writes (before, after) pairs."""

    def save_stages(self, rows: Sequence[StageRow]) -> None: ...

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        """Writes (before, after) pairs."""

    def renew(self, leases: Sequence[Lease], until: float) -> None:
        """Moves on the timer of running and reserved tasks with these fences and workers."""

    def save_attempts(self, rows: Sequence[AttemptRow]) -> None:
        """Inserts, or updates those that are there."""

    def record(self, events: Sequence[EventRow]) -> None: ...

    def tell(self, rows: Sequence[NoticeRow]) -> None:
        """Stores notices, to be delivered; they are numbered here."""

    def durations(self, pipelines: Iterable[str]) -> list[DurationRow]:
        """How long the steps of these pipelines take."""

    def learn(self, rows: Sequence[DurationRow]) -> None:
        """Has what was seen lately count in what is known."""

    def lock(self, kind: str, names: Sequence[str]) -> None:
        """Waits until nobody else has these names of this kind, and keeps them to the end of
        the transaction. What is read after it is what others had committed by then."""

    def end_before(self, run: RunRow) -> RunState | None:
        """How the run of the same pipeline ended (succeeded or failed) that ended last, this
        one and those apart that are part of another one."""
