"""What runs are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from tidemill.store.tables.parts import ACTIVE, LIMITED, OPEN, READY, SET, TIMED, WIDE, partial


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
        partial("run_open", "pipeline", "state", "number", where=OPEN),
        partial("run_family", "root", where="root IS NOT NULL"),
        partial("run_ended", "pipeline", "ended_at", where="root IS NULL AND ended_at IS NOT NULL"),
        partial("run_retried", "retry_of", where="retry_of IS NOT NULL"),
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
        partial("task_ready", "pool", "lane", "place", "run", "ordinal", where=READY),
        partial("task_later", "run_at", where=READY),
        partial("task_active", "pool", "lane", where=ACTIVE),
        partial("task_limited", "run", "step", where=LIMITED),
        partial("task_timer", "run_at", where=TIMED),
        partial("task_awaiting", "run", where="state = 'awaiting_approval'"),
        Index("task_step", "run", "step"),
        {"sqlite_with_rowid": False},
    )


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


class Alarm(SQLModel, table=True):
    """That something of a run has to be looked at, at a moment: written where there is a
    deadline, and gone with what it is of. The index holds those that any scheduler hears."""

    run: int = Field(primary_key=True, foreign_key="run.number", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    at: float
    pooled: bool

    __table_args__ = (partial("alarm_at", "at", where=SET), {"sqlite_with_rowid": False})


class Duration(SQLModel, table=True):
    """How long a step has taken lately: what is expected of it. `spread` is the mean
    deviation, both in seconds."""

    pipeline: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    samples: int
    mean: float
    spread: float

    __table_args__ = {"sqlite_with_rowid": False}


class Signal(SQLModel, table=True):
    """Something changed about a run behind the schedulers' backs: the durable half of a
    nudge. Whoever looks at the run takes it away."""

    number: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    run: int
    cancel: bool = False
