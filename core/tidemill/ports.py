"""The ports: what the engine needs of the world, as protocols.

Adapters stand in `tidemill.store`, `tidemill.broker`, `tidemill.artifacts` and
`tidemill.clock`; the engine imports this module and never them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from tidelang.values import Value
from tidemill.errors import TidemillError
from tidemill.model.messages import Order, Output, Report, StopAttempt
from tidemill.model.rows import (
    AttemptRow,
    DecisionRow,
    EventLook,
    EventRow,
    ExpansionRow,
    NoticeRow,
    ObservedRow,
    ObserverRow,
    PipelineRow,
    RunRow,
    ScheduleRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.spi import DispatchTask, Event, Executor, Notifier

T = TypeVar("T")


Lease = tuple[TaskRef, int, str]
"""What a worker holds: a task, its fence, and the worker's name."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """All time comes from here. Times are seconds since the epoch in UTC."""

    def now(self) -> float: ...

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Calls once `now() >= when`, on the event loop."""


# --- store ---------------------------------------------------------------------------


class Hand(NamedTuple):
    """What was read when families were taken in hand: the runs at their heads, what was
    asked for beside, and what `Turn.active` says."""

    heads: list[RunRow]
    tasks: list[TaskRow]
    stages: list[StageRow]
    active: dict[StageRef, int]


class Turn(Protocol):
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
        ready, after `now`; of a schedule."""

    def active(self, runs: Iterable[int] | None = None) -> dict[StageRef, int]:
        """How many tasks of each stage are queued, running or delegated: of these runs, or
        of all."""

    def ready(
        self,
        now: float,
        limits: Mapping[str, int],
        full: Iterable[StageRef] = (),
        full_runs: Iterable[int] = (),
    ) -> list[TaskRow]:
        """The first ready tasks of each of these pools in the order of dispatch, at most so
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
        """Moves on the timer of running tasks with these fences and workers."""

    def save_attempts(self, rows: Sequence[AttemptRow]) -> None:
        """Inserts, or updates those that are there."""

    def record(self, events: Sequence[EventRow]) -> None: ...

    def tell(self, rows: Sequence[NoticeRow]) -> None:
        """Stores notices, to be delivered; they are numbered here."""

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


class Transaction(Turn, Purging, Notices, Events, Protocol):
    """One transaction, with what is asked of it from outside a scheduler's turn, and by
    schedulers that drive all runs."""

    # workers

    def standing(
        self, claims: Iterable[tuple[TaskRef, int]]
    ) -> Mapping[tuple[TaskRef, int], tuple[TaskState, RunState]]:
        """Of attempts (by fence) those that are queued or running, with their run's state."""

    def save_workers(self, rows: Sequence[WorkerRow]) -> None: ...

    def workers(self) -> list[WorkerRow]: ...

    def forget_workers(self, heard_before: float) -> None: ...

    # signals: the durable half of a nudge

    def signal(self, run: int, *, cancel: bool = False) -> None: ...

    def take_signals(self, limit: int) -> Mapping[int, bool]:
        """Runs to look at, and whether they are to be cancelled; they are taken away."""

    # pipelines and their schedules

    def pipeline(self, name: str) -> PipelineRow | None: ...

    def pipelines(self) -> list[PipelineRow]: ...

    def save_pipeline(self, row: PipelineRow) -> None: ...

    def schedules_of(self, pipeline: str) -> list[ScheduleRow]: ...

    def add_schedule(self, row: ScheduleRow) -> None: ...

    def save_schedule(self, row: ScheduleRow) -> None: ...

    def drop_schedule(self, number: int) -> None: ...

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        """Those that are due and that nobody else has in hand; they stay locked."""

    def is_fired(self, schedule: int, due_at: float) -> bool: ...

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


# --- observers -----------------------------------------------------------------------


class Observer(Protocol):
    """A plugin that is told of every event."""

    @property
    def name(self) -> str:
        """The same for every version of it."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def idle(self) -> bool:
        """Whether it has returned from what it was told of last."""

    async def tell(self, event: Event) -> str:
        """Tells it, in a bounded time; what went wrong, empty where nothing did."""


# --- policies ------------------------------------------------------------------------


class Policy(Protocol):
    def veto(self, task: DispatchTask) -> str:
        """Why the step must not be offered, in whose name; empty where it may. Called
        inside of a turn. Never raises."""


# --- broker --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """An order as it came; `tag` is the adapter's."""

    order: Order
    tag: Any


@dataclass(frozen=True, slots=True)
class Inbox:
    """Reports as they came; they come again unless they are confirmed."""

    reports: Sequence[Report]
    tag: Any


@dataclass(frozen=True, slots=True)
class Epoch:
    """`since` is when it was first seen here; now, where the broker cannot be asked."""

    name: str
    since: float


class SchedulerEnd(Protocol):
    """The end of a broker that a scheduler holds."""

    async def publish(self, orders: Sequence[Order]) -> None:
        """Offers orders to workers. Publishing a (task, fence) again does nothing."""

    async def void(self, ref: TaskRef, fence: int, pool: str, epoch: str) -> bool:
        """Claims an offer of this epoch in nobody's name, so that no worker can; reports `Voided`.
        False if a worker has claimed it, or nobody can tell now."""

    def known_epoch(self) -> Epoch:
        """As far as is known here, without asking."""

    async def epoch(self) -> Epoch:
        """Which claims the broker knows, and since when: one that has lost everything
        knows nothing of who has claimed what before, and begins another epoch."""

    async def stop(self, messages: Sequence[StopAttempt]) -> None: ...

    async def inbox(self, until: float | None) -> Inbox:
        """Waits for reports, but not beyond `until`, and takes all there are."""

    async def confirm(self, inbox: Inbox) -> None:
        """What it says has been stored: reports come no more, and who sent heartbeats is
        told that they were heard."""

    async def close(self) -> None: ...


class WorkerEnd(Protocol):
    """The end of a broker that a worker holds."""

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        """Waits for work and takes at most `slots` orders, the highest priority first.
        What is not acknowledged comes again, to this worker or another."""

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        """Tries to be the one that carries out this fence; the winner's `Started`
        report is on its way when this returns."""

    async def acknowledge(self, delivery: Delivery) -> None: ...

    async def report(self, report: Report) -> None:
        """Sends to the scheduler, durably: returns when it is stored."""

    async def stops(self) -> Sequence[StopAttempt]:
        """Waits for messages to stop attempts."""

    def last_contact(self) -> float:
        """When the last heartbeat was sent that a scheduler has confirmed, by the clock:
        from then on, at least, leases are believed."""

    def emit(self, output: Output) -> None:
        """Streams output; never blocks."""

    async def close(self) -> None: ...


class Broker(SchedulerEnd, WorkerEnd, Protocol):
    """Carries work, claims, results, heartbeats, control and output.

    It may lose everything: the database is the truth. It never lets two claims of one
    fence win."""


# --- executors -----------------------------------------------------------------------


class Executors(Protocol):
    """The executors of one worker, made when they are first needed."""

    def get(self, kind: str) -> Executor:
        """Raises:
        TidemillError: no plugin offers this kind, or the one that does has failed.
        """

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        """The kind's settings from plain values.

        Raises:
            TidemillError: they do not fit.
        """

    def extend(self, seconds: float, since: float) -> None:
        """Tells every executor, those that are made later too, how long what is held may
        be at work: see `Executor.extend`. Never raises."""

    async def close(self) -> None: ...


class Notifiers(Protocol):
    """The notifiers of one process, made when they are first needed."""

    def get(self, kind: str) -> Notifier:
        """Raises:
        TidemillError: no plugin offers this kind, or the one that does has failed.
        """

    def settings(self, kind: str, values: Mapping[str, Any]) -> Any:
        """The kind's settings from plain values.

        Raises:
            TidemillError: they do not fit.
        """

    def templates(self, kind: str) -> Mapping[str, str]:
        """The settings that are templates, with their defaults (empty where there is none).

        Raises:
            TidemillError: as `get`.
        """

    def timeout(self, kind: str) -> float:
        """Seconds that one delivery may take."""

    async def close(self) -> None: ...


class Templates(Protocol):
    """Fills in templates, within bounds."""

    async def render(
        self, templates: Mapping[str, str], names: Mapping[str, Value]
    ) -> Mapping[str, str]:
        """The texts, by the names of their templates.

        Raises:
            TemplateError: one cannot be filled in.
        """


class TemplateError(TidemillError):
    """A template cannot be filled in, whenever it is tried: its author must mend it."""


class Secrets(Protocol):
    """Where a process gets the values of secrets."""

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        """The value of each.

        Raises:
            TidemillError: some are not there; all of them are named.
        """


# --- files ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredFile:
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class CachedResult:
    """What a cached step put out once, as the database keeps it: see
    `tidemill.model.outputs`. `parts` are what the key is made of."""

    pipeline: str
    task: str
    run: int
    made_at: float
    outputs: Mapping[str, Any]
    parts: Mapping[str, str]


class Results(Protocol):
    """The results of cached steps, by their keys. Their files are artifacts."""

    async def find(self, key: str) -> CachedResult | None:
        """What was kept last under this key.

        Raises:
            TidemillError: it is damaged, or cannot be read.
        """

    async def keep(self, key: str, result: CachedResult) -> None:
        """Stores it whole or not at all, in the place of an earlier one.

        Raises:
            OSError, TidemillError: it could not be stored.
        """


class Artifacts(Protocol):
    """Content-addressed files."""

    async def put(self, source: Path) -> StoredFile:
        """Stores a file's content. It is not collected before there was time to tell of it.

        Raises:
            OSError: it could not be read or stored.
            TidemillError: it could not be stored.
        """

    async def get(self, digest: str) -> Path:
        """A local, verified, read-only copy of the content, which stays until `release`:
        once for each time that it was got.

        Raises:
            TidemillError: it is not there, or damaged.
        """

    async def renew(self, digest: str) -> None:
        """Content that was stored some time ago is to be told of again: as if it were put
        now.

        Raises:
            TidemillError: it is not there, or damaged.
        """

    def release(self, digest: str) -> None:
        """A copy is used no more."""

    async def close(self) -> None: ...
