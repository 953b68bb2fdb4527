"""What the store keeps, as the engine sees it: rows, one to a table's row.

Named tuples, since a turn makes many: a changed copy costs a fraction of a dataclass's.

Times are seconds since the epoch in UTC (float).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tidemill.model.states import RunState, TaskState
from tidemill.spi import Event


class TaskRef(NamedTuple):
    """Names a task: its run's number and its place in that run's plan (from 0)."""

    run: int
    ordinal: int


class StageRef(NamedTuple):
    """Names a stage: a step within a run, by its place in the definition (from 0)."""

    run: int
    step: int


class RunRow(NamedTuple):
    """`open` counts the stages that have not ended; `failed` those that failed without
    being allowed to. `params` is JSON by name. `origin` is the first run of a chain of
    retries; `excluded` are the tasks (ordinals) that were not selected, `picked` the keys
    of those that were, out of fan-outs whose lists were not known then. `fresh` runs use
    no result out of the cache. `size` is how many tasks there are so far: the next ones
    are numbered from there. A run that does what a task of another one stands for has that
    task as `parent` and `parent_task` (its ordinal), and as `root` the run above all. A run
    that a `schedule` (its number) has started has the time that it was due at; one that is
    `queued` starts when the earlier ones of that schedule have ended. A `pooled` run is driven by
    any scheduler, others by the process that made them. People are `told` of its events as
    its pipeline says, or are not. `cause` is JSON: what started it (`tidemill.model.causes`).
    `raised` is by how many ranks its steps' priority is raised above what they say. A run of
    a `backfill` (its number) is for its `due_at`."""

    number: int
    digest: str
    pipeline: str
    file: str
    state: RunState
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    params: Mapping[str, Any] = MappingProxyType({})
    open: int = 0
    failed: int = 0
    retry_of: int | None = None
    origin: int | None = None
    excluded: tuple[int, ...] = ()
    fresh: bool = False
    detail: str = ""
    size: int = 0
    picked: tuple[str, ...] = ()
    parent: int | None = None
    parent_task: int | None = None
    root: int | None = None
    schedule: int | None = None
    due_at: float | None = None
    queued: bool = False
    pooled: bool = False
    told: bool = False
    cause: Mapping[str, Any] = MappingProxyType({})
    deadline_at: float | None = None
    raised: int = 0
    backfill: int | None = None

    @property
    def family(self) -> int:
        """The run above all: whoever drives that one drives this one too."""
        return self.root or self.number


class StageRow(NamedTuple):
    """A step within a run. `waiting_on` counts the steps it needs that have not ended;
    `open` its tasks that have not. `failed`, `skipped` and `unmet` (something they need
    failed) count its tasks that ended so; `tasks` all that take part."""

    run: int
    step: int
    waiting_on: int
    open: int
    failed: int = 0
    skipped: int = 0
    unmet: int = 0
    tasks: int = 1

    @property
    def ref(self) -> StageRef:
        return StageRef(self.run, self.step)


class Queue(NamedTuple):
    """What ready tasks are read from in order: a lane of a pool."""

    pool: str
    lane: int


class AtWork(NamedTuple):
    """How much is offered or at work: by queue, how many tasks workers have or may take; by
    stage, how many are queued, reserved, running or delegated, where that is `limited`."""

    queues: dict[Queue, int]
    stages: dict[StageRef, int]


class ExpansionRow(NamedTuple):
    """The list of a fan-out that became known while the run went on: its tasks stand from
    ordinal `first` on. `items` is the list as `tidelang.reify.literal` writes it."""

    run: int
    step: int
    first: int
    items: Any


class TaskRow(NamedTuple):
    """An instance of the step with this place in the definition. `run_at` is the one
    timer: from when it may be dispatched (ready), until when a dispatch or a lease is
    believed (queued, running), until when people may decide (awaiting_approval), or from
    when its run has taken too long (delegated). `child` is the run that it was handed over
    to last. `outputs` is JSON: see `tidemill.model.outputs`. `pool` is which workers it is
    offered to: None where the run is driven by the process that made it, and
    `NO_WORKER` where no worker takes part. `worker` is who has claimed it last,
    `epoch` that of the broker in which it was offered last. `ready_at` is since when it can
    be offered, `place` where it stands in the line of its pool and `lane` (0 short, 1 long):
    see `tidemill.model.line`. `target` is the worker that it was placed on, empty where it is
    offered to all of its pool. `limited` ones may not all be at work at once: their step or
    pipeline has a `max_parallel`."""

    run: int
    ordinal: int
    step: int
    key: str
    state: TaskState
    run_at: float | None = None
    fence: int = 0
    attempt: int = 0
    priority: int = 2
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    detail: str = ""
    outputs: dict[str, Any] | None = None
    carried_from: int | None = None
    cached_from: int | None = None
    child: int | None = None
    pool: str | None = None
    worker: str = ""
    epoch: str = ""
    ready_at: float | None = None
    place: float = 0.0
    lane: int = 0
    target: str = ""
    limited: bool = False

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.run, self.ordinal)


NO_WORKER = ""
"""The pool of tasks that are handed over to runs of their own, or wait for people."""


class ScheduleRow(NamedTuple):
    """When runs of a pipeline start by themselves. `spec` is JSON: see
    `tidemill.model.schedules`. `next_due` is None where nothing is due any more; `act_at` is
    when something has to be done about it: ahead of it where workers get ready, None while it
    is `paused`, for a `reason`. `missed` counts due times that no run was made for, the last one at
    `missed_at`; the last run was made for `fired_due`, at `fired_at`."""

    number: int
    pipeline: str
    identity: str
    spec: Mapping[str, Any]
    next_due: float | None
    act_at: float | None = None
    paused: bool = False
    missed: int = 0
    missed_at: float | None = None
    fired_due: float | None = None
    fired_at: float | None = None
    reason: str = ""


class BackfillRow(NamedTuple):
    """Runs for the due times that a schedule with this `spec` has up to `last`, with these
    `params` (JSON by name), no more than `max_parallel` at a time, the oldest first. The next
    one is for `next_due`; None once all are made, or no more are to be. `total` are all,
    `made` those that were made so far. It is looked at when one of its runs ends, and at
    `look_at`. It has ended when its runs have; `detail` says why where that is not all."""

    number: int
    pipeline: str
    spec: Mapping[str, Any]
    params: Mapping[str, Any]
    next_due: float | None
    last: float
    total: int
    max_parallel: int
    created_at: float
    created_by: str
    look_at: float | None = None
    made: int = 0
    ended_at: float | None = None
    detail: str = ""


class PipelineRow(NamedTuple):
    """A pipeline that was applied: the version that new runs are made of. `commit` is the one of
    git that its file was at, empty where it was at none."""

    name: str
    digest: str
    file: str
    applied_at: float
    applied_by: str
    commit: str = ""


class WorkerRow(NamedTuple):
    """A worker, as its heartbeats say it is. It is there if it was `heard_at` not longer
    than a lease ago. `resources` are what it has in all: `cpu` in cores, `memory` and `disk`
    in bytes, others counted."""

    name: str
    pool: str
    slots: int
    region: str
    labels: Mapping[str, str]
    draining: bool
    heard_at: float
    resources: Mapping[str, float] = MappingProxyType({})


class CordonRow(NamedTuple):
    """A worker that is to take nothing new, for the `reason` that somebody gave."""

    worker: str
    at: float
    by: str
    reason: str = ""


class DutyRow(NamedTuple):
    """How many tasks of a stage a worker has: those that were `placed` there, offered or at
    work, or those that it took out of its pool's queue."""

    worker: str
    run: int
    step: int
    placed: bool
    tasks: int


class AlarmRow(NamedTuple):
    """That something has to be looked at, at a moment: of a task, or of its run (`WHOLE`).
    `kind` is one of `tidemill.model.deadlines.AlarmKind`. A `pooled` one is heard by any
    scheduler, others by the one that drives the run."""

    run: int
    ordinal: int
    kind: str
    at: float
    pooled: bool

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.run, self.ordinal)


WHOLE = -1
"""The ordinal of what is a whole run's."""


class LateRow(NamedTuple):
    """What happened to the deadline of a run, or of a task (`ordinal`): `event` is
    `deadline_at_risk` or `deadline_missed`. `key` is the task's, empty where it is the run;
    `state` the run's when it happened."""

    at: float
    event: str
    run: int
    ordinal: int
    key: str
    detail: str
    state: RunState


class DurationRow(NamedTuple):
    """How long the succeeded attempts of a step have taken lately (seconds): a moving mean, and
    one of how far they were from it."""

    pipeline: str
    step: str
    samples: int
    mean: float
    spread: float


class AttemptRow(NamedTuple):
    """One attempt: `outcome` is None while it is at work. `cache` is what it found in the
    cache: a `CacheReport` as JSON."""

    run: int
    ordinal: int
    fence: int
    number: int
    worker: str
    started_at: float | None
    ended_at: float | None = None
    outcome: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    cache: dict[str, Any] | None = None


class DecisionRow(NamedTuple):
    """What a person said to a task that asked. `prompt` is what they were asked."""

    run: int
    ordinal: int
    approved: bool
    who: str
    reason: str
    prompt: str
    at: float

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.run, self.ordinal)


class EventRow(NamedTuple):
    """A line of the one ordered event log."""

    at: float
    kind: str
    run: int
    ordinal: int | None
    data: dict[str, Any]


class EventLook(NamedTuple):
    """The number of the last event that can be seen, that of the next transaction to begin,
    and that of the oldest that is under way. All events up to `last` can be seen, or will
    never be, once a later look has an `oldest` that is no less than this `next`."""

    last: int
    next: int
    oldest: int


class ObservedRow(NamedTuple):
    seq: int
    event: Event


class ObserverRow(NamedTuple):
    """How far a plugin has come that is told of events: up to `seq`. The one behind it was
    tried so many times, and is tried again at `due_at`. `holder` alone tells it, until
    `held_until`."""

    plugin: str
    seq: int
    tries: int = 0
    due_at: float = 0.0
    passed_over: int = 0
    holder: str = ""
    held_until: float = 0.0


class NoticeRow(NamedTuple):
    """An event that somebody is to be told of by the `block`-th `notify` of its run's
    pipeline (from 0). `state` is the run's when it happened, `step` the key of the task
    that it is about (empty where it is the run). `tries` counts the times it was sent;
    `due_at` is when it may be sent, or is believed to be lost on its way: None once
    nothing is to be done any more. Then `error` tells what was delivered (empty) from
    what nobody got, a *dead* notice."""

    number: int
    run: int
    block: int
    event: str
    at: float
    state: RunState
    step: str = ""
    detail: str = ""
    tries: int = 0
    due_at: float | None = None
    error: str = ""
