"""Whether a failed attempt is followed by another, and when."""

from __future__ import annotations

from tidelang.definition import Step
from tidemill.model.transitions import TaskEvent
from tidemill.spi import Reason

_EVENTS = {
    Reason.TIMED_OUT: TaskEvent.TIME_OUT,
    Reason.CANCELLED: TaskEvent.CANCEL,
    Reason.LOST: TaskEvent.LOSE,
}
_RETRIED_AS = {
    TaskEvent.FAIL: "failed",
    TaskEvent.TIME_OUT: "timed_out",
    TaskEvent.LOSE: "lost",
}


def event_of(reason: Reason, exit_code: int | None) -> TaskEvent:
    """What an attempt's end means for its task."""
    if reason is Reason.EXITED and exit_code == 0:
        return TaskEvent.SUCCEED
    return _EVENTS.get(reason, TaskEvent.FAIL)


def retry_delay(step: Step, attempt: int, event: TaskEvent) -> float | None:
    """Seconds until the next attempt, or None where there is none.

    `attempt` is the one that ended, from 1. A lost attempt may still be at work, so a
    step that is not idempotent is never retried after one.
    """
    retry = step.retry
    word = _RETRIED_AS.get(event)
    if word not in retry.on or attempt >= retry.attempts:
        return None
    if event is TaskEvent.LOSE and not step.idempotent:
        return None
    exponent = min(attempt - 1, 64)
    return min(retry.backoff * retry.factor**exponent, retry.max) / 1000
