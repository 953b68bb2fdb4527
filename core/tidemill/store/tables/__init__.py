"""The tables. Times are seconds since the epoch in UTC.

A change here needs a migration in `tidemill/store/migrations/versions`; a test compares
the two.
"""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from tidemill.store.tables.parts import (
    ACTIVE,
    DEAD,
    LIMITED,
    LOOKED_AT,
    NEW,
    OPEN,
    READY,
    SET,
    TIMED,
    WAITING,
)
from tidemill.store.tables.runs import (
    Alarm,
    Approval,
    Attempt,
    Condemned,
    Duration,
    Expansion,
    Run,
    Signal,
    Stage,
    Task,
    Version,
)
from tidemill.store.tables.starting import Arrival, Backfill, Held, Pipeline, Schedule, Trigger
from tidemill.store.tables.telling import Notice, Observer, Outbox
from tidemill.store.tables.workers import Cordon, Worker

__all__ = [
    "ACTIVE",
    "DEAD",
    "LIMITED",
    "LOOKED_AT",
    "NEW",
    "OPEN",
    "READY",
    "SET",
    "TIMED",
    "WAITING",
    "Alarm",
    "Approval",
    "Arrival",
    "Attempt",
    "Backfill",
    "Condemned",
    "Cordon",
    "Duration",
    "Expansion",
    "Held",
    "Notice",
    "Observer",
    "Outbox",
    "Pipeline",
    "Run",
    "Schedule",
    "Signal",
    "Stage",
    "Task",
    "Trigger",
    "Version",
    "Worker",
    "metadata",
]


def metadata() -> MetaData:
    """All tables."""
    return SQLModel.metadata
