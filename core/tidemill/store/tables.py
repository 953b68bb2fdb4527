"""The tables. Times are seconds since the epoch in UTC.

A change here needs a migration in `tidemill/store/migrations/versions`; a test compares
the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

WIDE = BigInteger().with_variant(Integer(), "sqlite")
"""A number that outgrows 32 bits. SQLite's INTEGER has 64 already, and counts by itself
only where a column is called just that."""


def _partial(name: str, *columns: str, where: str) -> Index:
    condition = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


READY = "state = 'ready' AND pool IS NOT NULL"
ACTIVE = "state IN ('queued', 'reserved', 'running', 'delegated') AND pool IS NOT NULL"
LIMITED = f"{ACTIVE} AND limited"
TIMED = (
    "state IN ('queued', 'reserved', 'running', 'delegated', 'awaiting_approval')"
    " AND run_at IS NOT NULL AND pool IS NOT NULL"
)
OPEN = "ended_at IS NULL"
SET = "pooled"
WAITING = "due_at IS NOT NULL"
NEW = "NOT taken"
DEAD = "due_at IS NULL AND error <> ''"
"""Conditions of partial indexes: a statement that is to use one says the same words."""


class Version(SQLModel, table=True):
    """A definition, by its digest: what a run keeps, whatever happens to the file."""

    digest: str = Field(primary_key=True)
    pipeline: str = Field(index=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: float


class Run(SQLModel, table=True):
    number: int | None = Field(default=None, primary_key=True)
    digest: str = Field(foreign_key="version.digest", index=True)
    pipeline: str = Field(index=True)
    file: str
    state: str
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    open: int
    failed: int
    retry_of: int | None = Field(default=None, foreign_key="run.number")
    origin: int | None = None
    excluded: list[int] = Field(sa_column=Column(JSON, nullable=False))
    fresh: bool = False
    detail: str = ""
    size: int
    picked: list[str] = Field(sa_column=Column(JSON, nullable=False))
    parent: int | None = None
    parent_task: int | None = None
    root: int | None = None
    schedule: int | None = None
    due_at: float | None = None
    queued: bool = False
    pooled: bool = False
    told: bool = False
    cause: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    deadline_at: float | None = None
    raised: int = 0
    backfill: int | None = None

    __table_args__ = (
        _partial("run_open", "pipeline", "state", "number", where=OPEN),
        _partial("run_family", "root", where="root IS NOT NULL"),
        _partial(
            "run_ended", "pipeline", "ended_at", where="root IS NULL AND ended_at IS NOT NULL"
        ),
        _partial("run_retried", "retry_of", where="retry_of IS NOT NULL"),
        Index("run_of_schedule", "schedule", "due_at", unique=True),
        Index("run_of_backfill", "backfill", "due_at", unique=True),
        {"sqlite_autoincrement": True},
    )


class Condemned(SQLModel, table=True):
    """A run that is being removed, and that nobody sees any more."""

    run: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("run.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        )
    )


class Pipeline(SQLModel, table=True):
    """What was applied: the version of a pipeline that new runs are made of."""

    name: str = Field(primary_key=True)
    digest: str = Field(foreign_key="version.digest")
    file: str
    applied_at: float
    applied_by: str
    commit: str = ""


class Schedule(SQLModel, table=True):
    """When runs of a pipeline start by themselves. `identity` is what makes it the same
    schedule when its file is applied again. `next_due` is None where nothing is due any
    more."""

    number: int | None = Field(default=None, primary_key=True)
    pipeline: str = Field(foreign_key="pipeline.name", index=True, ondelete="CASCADE")
    identity: str
    spec: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    next_due: float | None = None
    act_at: float | None = None
    paused: bool = False
    missed: int = 0
    missed_at: float | None = None
    fired_due: float | None = None
    fired_at: float | None = None
    reason: str = ""

    __table_args__ = (
        _partial("schedule_due", "act_at", where="act_at IS NOT NULL"),
        UniqueConstraint("pipeline", "identity", name="schedule_identity"),
        {"sqlite_autoincrement": True},
    )


class Trigger(SQLModel, table=True):
    """What else starts runs of a pipeline: found by what happened, a kind and a source."""

    number: int | None = Field(default=None, primary_key=True)
    pipeline: str = Field(foreign_key="pipeline.name", ondelete="CASCADE")
    identity: str
    kind: str
    source: str
    place: int
    digest: str
    heard_at: float | None = None
    fired_at: float | None = None
    fired_run: int | None = None
    trouble: str = ""
    trouble_at: float | None = None

    __table_args__ = (
        Index("trigger_source", "kind", "source"),
        UniqueConstraint("pipeline", "identity", name="trigger_identity"),
        {"sqlite_autoincrement": True},
    )


class Arrival(SQLModel, table=True):
    """An event or a webhook's request, stored before anybody is told that it was received,
    and remembered for some time by its key, so that the same is not taken twice."""

    seq: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    kind: str
    source: str
    key: str | None = None
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    origin: str
    received_at: float = Field(index=True)
    taken: bool = False

    __table_args__ = (
        UniqueConstraint("kind", "source", "key", name="arrival_key"),
        _partial("arrival_new", "seq", where=NEW),
    )


class Held(SQLModel, table=True):
    """What a trigger remembers of a key: see `tidemill.model.triggers.HeldRow`."""

    trigger: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("trigger.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        )
    )
    key: str = Field(primary_key=True)
    until: float | None = None
    due_at: float | None = None
    first_at: float | None = None
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    cause: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))

    __table_args__ = (
        _partial("held_due", "due_at", where="due_at IS NOT NULL"),
        _partial("held_until", "until", where="until IS NOT NULL"),
    )


class Signal(SQLModel, table=True):
    """Something changed about a run behind the schedulers' backs: the durable half of a
    nudge. Whoever looks at the run takes it away."""

    number: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    run: int
    cancel: bool = False


class Worker(SQLModel, table=True):
    """A worker, as its heartbeats say it is."""

    name: str = Field(primary_key=True)
    pool: str
    slots: int
    region: str
    labels: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    draining: bool
    heard_at: float
    resources: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Cordon(SQLModel, table=True):
    """A worker that is to take nothing new, until that is lifted. Apart from `Worker`, which
    is forgotten when the worker is silent for long."""

    worker: str = Field(primary_key=True)
    at: float
    by: str
    reason: str

    __table_args__ = {"sqlite_with_rowid": False}


class Stage(SQLModel, table=True):
    """A step within a run: how much of it is left, and what it waits for."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    step: int = Field(primary_key=True)
    waiting_on: int
    open: int
    failed: int
    skipped: int
    unmet: int
    tasks: int

    __table_args__ = {"sqlite_with_rowid": False}


class Expansion(SQLModel, table=True):
    """The list of a fan-out that became known while its run went on. Apart from `Stage`,
    which is read and written with every task that ends."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    step: int = Field(primary_key=True)
    first: int
    items: list[Any] = Field(sa_column=Column(JSON, nullable=False))

    __table_args__ = {"sqlite_with_rowid": False}


class Task(SQLModel, table=True):
    """An instance of a step. The partial indexes serve the hot paths: what is ready in
    the order of dispatch, what is at work or handed over, and the timers. They hold only
    tasks of pools: who drives a run alone keeps all of it in memory."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    step: int
    key: str
    state: str
    run_at: float | None = None
    fence: int
    attempt: int
    priority: int
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    detail: str
    outputs: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
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

    __table_args__ = (
        _partial("task_ready", "pool", "lane", "place", "run", "ordinal", where=READY),
        _partial("task_later", "run_at", where=READY),
        _partial("task_active", "pool", "lane", where=ACTIVE),
        _partial("task_limited", "run", "step", where=LIMITED),
        _partial("task_timer", "run_at", where=TIMED),
        _partial("task_awaiting", "run", where="state = 'awaiting_approval'"),
        Index("task_step", "run", "step"),
        {"sqlite_with_rowid": False},
    )


class Alarm(SQLModel, table=True):
    """That something of a run has to be looked at, at a moment: written where there is a
    deadline, and gone with what it is of. The index holds those that any scheduler hears."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    at: float
    pooled: bool

    __table_args__ = (_partial("alarm_at", "at", where=SET), {"sqlite_with_rowid": False})


class Duration(SQLModel, table=True):
    """How long a step has taken lately: what is expected of it. `spread` is the mean
    deviation, both in seconds."""

    pipeline: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    samples: int
    mean: float
    spread: float

    __table_args__ = {"sqlite_with_rowid": False}


class Attempt(SQLModel, table=True):
    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    fence: int = Field(primary_key=True)
    number: int
    worker: str
    started_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    detail: str
    cpu_seconds: float
    peak_memory: int = Field(sa_column=Column(WIDE, nullable=False))
    cache: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))

    __table_args__ = {"sqlite_with_rowid": False}


class Approval(SQLModel, table=True):
    """What a person said to a task that asked: the first one to speak decides."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    approved: bool
    who: str
    reason: str
    prompt: str
    at: float

    __table_args__ = {"sqlite_with_rowid": False}


class Outbox(SQLModel, table=True):
    """The one ordered event log: history, notifications and the UI read it."""

    seq: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    at: float
    kind: str
    run: int = Field(foreign_key="run.number", ondelete="CASCADE", index=True)
    ordinal: int | None = None
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Notice(SQLModel, table=True):
    """What people are to be told: written with the change that it is about, so that none is
    lost, and sent from here. The indexes hold what is left to be done, and what nobody
    got."""

    number: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    run: int = Field(foreign_key="run.number", ondelete="CASCADE", index=True)
    block: int
    event: str
    at: float
    state: str
    step: str
    detail: str
    tries: int
    due_at: float | None = None
    error: str

    __table_args__ = (
        _partial("notice_due", "due_at", where=WAITING),
        _partial("notice_dead", "number", where=DEAD),
    )


LOOKED_AT = "look_at IS NOT NULL"


class Backfill(SQLModel, table=True):
    """How far it has come to make runs for the due times of a span that has passed."""

    number: int | None = Field(default=None, primary_key=True)
    pipeline: str = Field(index=True)
    spec: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    next_due: float | None = None
    last: float
    total: int
    max_parallel: int
    created_at: float
    created_by: str
    look_at: float | None = None
    made: int
    ended_at: float | None = None
    detail: str

    __table_args__ = (
        _partial("backfill_looked_at", "look_at", where=LOOKED_AT),
        {"sqlite_autoincrement": True},
    )


class Observer(SQLModel, table=True):
    """How far a plugin has come in the outbox that is told of all events, and which process
    tells it, until when."""

    plugin: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(WIDE, nullable=False))
    tries: int
    due_at: float
    passed_over: int
    holder: str
    held_until: float


def metadata() -> MetaData:
    """All tables."""
    return SQLModel.metadata
