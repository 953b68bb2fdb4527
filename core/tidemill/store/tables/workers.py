"""Who does the work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


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
