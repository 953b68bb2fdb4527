"""The tables. Times are seconds since the epoch in UTC.

A change here needs a migration in `tidemill/store/migrations/versions`; a test compares
the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, text
from sqlmodel import Field, SQLModel


class Version(SQLModel, table=True):
    """A definition, by its digest: what a run keeps, whatever happens to the file."""

    digest: str = Field(primary_key=True)
    pipeline: str = Field(index=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: float


class Run(SQLModel, table=True):
    number: int | None = Field(default=None, primary_key=True)
    digest: str = Field(foreign_key="version.digest")
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

    __table_args__ = (
        Index(
            "run_family",
            "root",
            sqlite_where=text("root IS NOT NULL"),
            postgresql_where=text("root IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
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
    the order of dispatch, what is at work or handed over, and the timers."""

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

    __table_args__ = (
        Index(
            "task_ready",
            "priority",
            "run",
            "ordinal",
            sqlite_where=text("state = 'ready'"),
            postgresql_where=text("state = 'ready'"),
        ),
        Index(
            "task_active",
            "run",
            "step",
            sqlite_where=text("state IN ('queued', 'running', 'delegated')"),
            postgresql_where=text("state IN ('queued', 'running', 'delegated')"),
        ),
        Index(
            "task_timer",
            "run_at",
            sqlite_where=text("run_at IS NOT NULL"),
            postgresql_where=text("run_at IS NOT NULL"),
        ),
        Index(
            "task_awaiting",
            "run",
            sqlite_where=text("state = 'awaiting_approval'"),
            postgresql_where=text("state = 'awaiting_approval'"),
        ),
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
    peak_memory: int
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

    seq: int | None = Field(default=None, primary_key=True)
    at: float
    kind: str
    run: int = Field(foreign_key="run.number", ondelete="CASCADE", index=True)
    ordinal: int | None = None
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
