"""What is told, and how far it has come."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from tidemill.store.tables.parts import DEAD, WAITING, WIDE, partial


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
        partial("notice_due", "due_at", where=WAITING),
        partial("notice_dead", "number", where=DEAD),
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
