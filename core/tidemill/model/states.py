"""The states of runs and tasks, by the names that database, command line and docs share."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in _ENDED_RUN


class TaskState(StrEnum):
    BLOCKED = "blocked"
    READY = "ready"
    QUEUED = "queued"
    RESERVED = "reserved"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    DELEGATED = "delegated"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    EXPANDED = "expanded"

    @property
    def ended(self) -> bool:
        return self in _ENDED_TASK


_ENDED_RUN = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
_ENDED_TASK = frozenset(TaskState) - {
    TaskState.BLOCKED,
    TaskState.READY,
    TaskState.QUEUED,
    TaskState.RESERVED,
    TaskState.RUNNING,
    TaskState.AWAITING_APPROVAL,
    TaskState.DELEGATED,
}
