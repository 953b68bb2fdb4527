"""What the engine needs of a database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from tidemill.errors import TidemillError
from tidemill.model.rows import (
    AlarmRow,
    AttemptRow,
    BackfillRow,
    CordonRow,
    DecisionRow,
    DurationRow,
    DutyRow,
    EventLook,
    EventRow,
    ExpansionRow,
    Load,
    NoticeRow,
    ObservedRow,
    ObserverRow,
    PipelineRow,
    Queue,
    RunRow,
    ScheduleRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.model.triggers import Armed, ArrivalRow, HeldRow, TriggerRow

T = TypeVar("T")


Lease = tuple[TaskRef, int, str]
"""What a worker holds: a task, its fence, and the worker's name."""


class Hand(NamedTuple):
    """What was read when families were taken in hand: the runs at their heads, what was
    asked for beside, and what `Turn.active` says."""

    heads: list[RunRow]
    tasks: list[TaskRow]
    stages: list[StageRow]
    active: dict[StageRef, Load]


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

    def active(self, runs: Iterable[int] | None = None) -> dict[StageRef, Load]:
        """Of each stage of these runs, or of all, how much of it is at work or offered."""

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

    def open_runs_of(self, schedule: int) -> list[int]:
        """The runs of a schedule that have not ended, the first one first."""

    def decisions(self, run: int) -> list[DecisionRow]:
        """What people said to tasks of this run that wait for approval."""

    def new_run(self, run: RunRow) -> int:
        """Stores a run and returns its number; the row's own number is ignored."""

    def add_definition(self, digest: str, pipeline: str, content: bytes, at: float) -> None: ...

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        """The stages and tasks of a new run."""

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


class BadEnd(NamedTuple):
    key: str
    state: TaskState
    exit_code: int | None
    detail: str


class Notices(Protocol):
    """What delivers notices. A notice that is *taken* is nobody else's until its `due_at`,
    and is told apart by its `tries` from what somebody else takes then."""

    def take_notices(
        self, now: float, until: float, limit: int, family: int | None = None
    ) -> list[NoticeRow]:
        """Notices that are due, of each run and block the first one that is left, with one
        try more; they are taken until that time. Of a run and those below it, if given."""

    def settle_notice(self, row: NoticeRow) -> bool:
        """Writes what became of a notice that was taken. False, and nothing is written,
        where somebody else has taken it since."""

    def revive_notices(self, numbers: Iterable[int], at: float) -> int:
        """Makes dead notices due again, as if they had never been sent; how many."""

    def next_notice(self) -> float | None:
        """When the first one is due."""

    def notices_of(self, family: int) -> list[NoticeRow]:
        """Of a run and those below it."""

    def waiting_notices(self, limit: int) -> list[NoticeRow]:
        """Those that nobody got yet, the next one to be sent first."""

    def dead_notices(self, limit: int) -> list[NoticeRow]:
        """Those that nobody got and nobody will, the latest first."""

    def bad_ends(self, run: int, limit: int) -> list[BadEnd]:
        """Tasks that ended badly, the first one first."""


class Purging(Protocol):
    """What removes old runs, with all that is theirs. A run that is *condemned*, with those
    below it, is seen by nobody any more. Families that somebody has in hand are passed
    over."""

    def pipelines_that_ran(self) -> list[str]: ...

    def ended_before_the_last(self, pipeline: str, count: int) -> float | None:
        """When the earliest of so many latest runs of a pipeline ended; None if it has had
        fewer. Runs that are part of another one do not count."""

    def expendable(self, pipeline: str, before: float) -> tuple[int, int]:
        """How many runs, and tasks of theirs, `condemn` would come to in the end."""

    def condemn(self, pipeline: str, before: float, limit: int) -> int:
        """Condemns runs that ended before this time; how many. Never one that is open, or
        has something open below it; that was retried, as long as its retry is there; the
        latest of its pipeline, or of a schedule; its latest success."""

    def is_condemned(self, run: int) -> bool: ...

    def condemned(self, limit: int) -> list[int]:
        """Condemned runs; nobody else gets them before the end of the transaction."""

    def remove(self, runs: Sequence[int], rows: int) -> int:
        """Removes at most so many rows of these runs, and the runs once that is all there
        is of them. How many it was: fewer if nothing is left."""

    def idle_definitions(self) -> list[str]:
        """The digests of definitions that no run has and no pipeline; they are kept from
        being used before the end of the transaction."""

    def used_definitions(self) -> list[str]:
        """The others."""

    def drop_definitions(self, digests: Collection[str]) -> None: ...

    def files_in_use(
        self, after: TaskRef | None, limit: int
    ) -> tuple[Collection[str], TaskRef | None]:
        """The digests of all files that the next so many tasks put out, by their numbers,
        and the last of these tasks; None if there is no further one. Outputs are taken over
        by later runs from earlier ones, so whoever goes through all misses none that was
        there when it began."""


class Events(Protocol):
    """What tells observers of events. An observer that is *held* is told by nobody else until
    `held_until`."""

    def look(self) -> EventLook:
        """How far the log goes. To be asked in a transaction that writes nothing."""

    def events(self, after: int, upto: int, limit: int) -> list[ObservedRow]:
        """Changes of state, in order; of what is still there."""

    def observer(self, plugin: str) -> ObserverRow | None: ...

    def add_observer(self, plugin: str, seq: int) -> None:
        """One that has seen all up to `seq`. Nothing, where it is there."""

    def hold_observer(
        self, plugin: str, holder: str, now: float, until: float
    ) -> ObserverRow | None:
        """Holds it, also where this one does already. None where somebody else does."""

    def move_observer(self, before: ObserverRow, after: ObserverRow) -> bool:
        """Writes how far it has come. False, and nothing is written, where somebody else holds
        it by now, or has moved it."""


class Triggers(Protocol):
    """What starts runs beside people and the clock."""

    def triggers_of(
        self, pipeline: str | None = None, *, kind: str | None = None, source: str | None = None
    ) -> list[TriggerRow]:
        """Of a pipeline, of a kind and a source, or all."""

    def add_trigger(self, row: TriggerRow) -> None: ...

    def move_trigger(self, number: int, place: int, digest: str) -> None:
        """The same trigger stands there by now."""

    def drop_trigger(self, number: int) -> None: ...

    def armed(self, sources: Collection[tuple[str, str]]) -> list[Armed]:
        """The triggers of these kinds and sources; they stay locked."""

    def armed_by_number(self, numbers: Collection[int]) -> list[Armed]:
        """The same, of these numbers."""

    def note_triggers(self, rows: Sequence[TriggerRow]) -> None:
        """Writes what became of triggers."""

    def receive(self, rows: Sequence[ArrivalRow]) -> list[bool]:
        """Stores what has arrived; whether each is new. One that came before under its key
        is not stored again."""

    def take_arrivals(self, limit: int) -> list[ArrivalRow]:
        """The first that nobody has taken, or has in hand; nobody else takes them."""

    def forget_arrivals(self, before: float, limit: int) -> None:
        """Forgets those that were taken and came before this time."""

    def held(self, keys: Collection[tuple[int, str]]) -> list[HeldRow]:
        """What these triggers, which are locked, remember of these keys."""

    def hold(self, rows: Sequence[HeldRow]) -> None:
        """Remembers this, in place of what was remembered of the same keys."""

    def due_held(self, now: float, limit: int) -> list[HeldRow]:
        """What has waited long enough. Who acts on it locks its triggers, and looks again."""

    def forget_held(self, before: float, limit: int) -> None:
        """Forgets keys that need not be remembered after this time."""


class Placement(Protocol):
    """What placing steps on workers needs."""

    def may_place(self) -> bool:
        """Whether nobody else places now; then nobody does before the end of the
        transaction."""

    def lines(self) -> list[Queue]:
        """Those that ready tasks stand in."""

    def duties(self) -> list[DutyRow]:
        """What workers have to do."""

    def cordons(self) -> list[CordonRow]: ...

    def cordon(self, row: CordonRow) -> None:
        """Stores it, in the place of an earlier one."""

    def uncordon(self, workers: Iterable[str]) -> int:
        """How many of them were cordoned."""


class Backfills(Protocol):
    """What works off backfills."""

    def add_backfill(self, row: BackfillRow) -> int:
        """Stores one and returns its number; the row's own number is ignored."""

    def backfills(self, numbers: Iterable[int]) -> list[BackfillRow]:
        """These, by number. Waits until nobody else has them in hand; they stay locked."""

    def due_backfills(self, now: float, limit: int) -> list[BackfillRow]:
        """Those that are to be looked at and that nobody else has in hand; they stay locked."""

    def save_backfill(self, row: BackfillRow) -> None: ...

    def open_runs_of_backfill(self, number: int) -> list[int]:
        """Its runs that have not ended, the first one first."""


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

    def pipelines(self) -> list[PipelineRow]: ...

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

    def save_schedule(self, row: ScheduleRow) -> None: ...

    def drop_schedule(self, number: int) -> None: ...

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        """Those that are due and that nobody else has in hand; they stay locked."""

    def is_fired(self, schedule: int, due_at: float) -> bool: ...

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
