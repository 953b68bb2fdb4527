"""What starts runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from tidemill.store.tables.parts import LOOKED_AT, NEW, WIDE, partial


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
        partial("schedule_due", "act_at", where="act_at IS NOT NULL"),
        UniqueConstraint("pipeline", "identity", name="schedule_identity"),
        {"sqlite_autoincrement": True},
    )


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
        partial("backfill_looked_at", "look_at", where=LOOKED_AT),
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
        partial("arrival_new", "seq", where=NEW),
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
        partial("held_due", "due_at", where="due_at IS NOT NULL"),
        partial("held_until", "until", where="until IS NOT NULL"),
    )
