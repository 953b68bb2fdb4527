"""What the engine needs of a database: transactions, and all that is asked of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from tidemill.errors import TidemillError
from tidemill.model.rows import (
    DecisionRow,
    ExpansionRow,
    PipelineRow,
    RunRow,
    ScheduleRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.ports.beside import Backfills, Events, Notices, Placement, Purging, Triggers
from tidemill.ports.turn import Turn

T = TypeVar("T")


class Transaction(Turn, Placement, Purging, Notices, Events, Triggers, Backfills, Protocol):
    """One transaction, with what is asked of it from outside a scheduler's turn, and by
    schedulers that drive all runs."""

    # workers

    def standing(
        self, claims: Iterable[tuple[TaskRef, int]]
    ) -> Mapping[tuple[TaskRef, int], tuple[TaskState, RunState]]:
        """Of attempts (by fence) those that are queued, reserved or running, with their run's
        state."""

    def save_workers(self, rows: Sequence[WorkerRow]) -> None: ...

    def workers(self) -> list[WorkerRow]: ...

    def forget_workers(self, heard_before: float) -> None: ...

    # runs that wait for others to end

    def at_work(self, pipelines: Iterable[str]) -> dict[str, set[int]]:
        """By pipeline, which of its runs are running or being cancelled."""

    def waiting_runs(self, pipeline: str, limit: int) -> list[int]:
        """The first pending runs of a pipeline."""

    # signals: the durable half of a nudge

    def signal(self, run: int, *, cancel: bool = False) -> None: ...

    def take_signals(self, limit: int) -> Mapping[int, bool]:
        """Runs to look at, and whether they are to be cancelled; they are taken away."""

    # pipelines and their schedules

    def pipeline(self, name: str) -> PipelineRow | None: ...

    def pipelines(self, names: Iterable[str] | None = None) -> list[PipelineRow]:
        """Those of these names, or all, by name."""

    def save_pipeline(self, row: PipelineRow) -> None: ...

    def lock_pipelines(self) -> None:
        """Nobody else applies any before the end of the transaction."""

    def drop_pipeline(self, name: str) -> None:
        """With its schedules."""

    def schedule(self, number: int) -> ScheduleRow | None:
        """It stays locked: it does not fire meanwhile."""

    def schedules_of(self, pipeline: str) -> list[ScheduleRow]:
        """They stay locked."""

    def add_schedule(self, row: ScheduleRow) -> None: ...

    def save_schedules(self, rows: Sequence[ScheduleRow]) -> None: ...

    def drop_schedule(self, number: int) -> None: ...

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        """Those that are due and that nobody else has in hand; they stay locked."""

    def latest_due(self, schedules: Iterable[int]) -> dict[int, float]:
        """By schedule, the latest due time that a run was made for. Due times are fired in
        order, and the run of the latest is never purged."""

    def take_ahead(self, schedule: int, now: float) -> list[RunRow]:
        """The pending runs of a schedule whose due time is yet to come. They are of no
        schedule from then on."""

    # people and the past

    def decision(self, ref: TaskRef) -> DecisionRow | None: ...

    def decide(self, decision: DecisionRow) -> None:
        """Stores the one decision on a task; the caller has seen that there is none."""

    def latest_successes(self, pipeline: str, keys: Iterable[str]) -> dict[str, TaskRow]:
        """By key, the task that last succeeded in any run of this pipeline."""

    def latest_expansions(self, pipeline: str, keys: Iterable[str]) -> dict[str, ExpansionRow]:
        """By the key of their stand-ins, the lists that were known last in any run of
        this pipeline."""


class Store(Protocol):
    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in one transaction, which commits before this returns, and rolls
        back if it raises. `work` may be run again after a serialization failure.

        Raises:
            UnavailableError: the database cannot be reached now.
            TidemillError: the database cannot be used (full, corrupt, read-only, locked).
        """

    async def sync(self) -> None:
        """Returns when all that was committed would outlast a loss of power. A commit
        alone outlasts the death of every process."""

    async def close(self) -> None: ...


class UnavailableError(TidemillError):
    """The database, or the broker, cannot be reached now: later it may be."""


class StaleError(Exception):
    """A compare-and-set met another state than expected: a bug, or a second writer."""
