"""Deadlines: from when they count, and which alarms are set for them. Pure.

An alarm is a row with the moment at which something has to be looked at. There is one where
there is a deadline, and none where there is none, so a turn of a scheduler costs what is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from tidelang.definition import Deadline
from tidemill.model.expected import time_left
from tidemill.model.plan import Plan
from tidemill.model.rows import WHOLE, AlarmRow, RunRow, TaskRow

LOOKS = 100
"""How often it is looked, at most, whether a run may miss its deadline."""


class AlarmKind(StrEnum):
    AT_RISK = "at_risk"
    """What is left of the run is expected to take until its deadline, or longer."""
    MISSED = "missed"
    """The deadline passes."""
    STOPPING = "stopping"
    """It has passed, and the task is to be cancelled: it is told so until it has ended."""


def starts_at(run: RunRow) -> float:
    """From when a run's deadline counts: its due time, or where it has none when it was made.
    The due times of a backfill are long gone, and nobody waits for its runs since then."""
    return run.created_at if run.due_at is None or run.backfill is not None else run.due_at


def passes_at(deadline: Deadline, since: float) -> float:
    return since + deadline.after / 1000


def missed_alarm(run: RunRow, ordinal: int, at: float) -> AlarmRow:
    return AlarmRow(run.number, ordinal, AlarmKind.MISSED.value, at, run.pooled)


def risk_alarm(
    run: RunRow,
    plan: Plan,
    durations: Mapping[str, float],
    open_tasks: Sequence[TaskRow],
    now: float,
) -> AlarmRow | None:
    """When it has to be looked next whether the run will miss its deadline: when there is
    just as much time left as what is left of it is expected to take. None where nothing is
    known of its steps, or its deadline would come first."""
    deadline = plan.definition.deadline
    if deadline is None or run.deadline_at is None:
        return None
    left = time_left(plan, durations, open_tasks, now)
    at = max(run.deadline_at - left, now + deadline.after / 1000 / LOOKS)
    if not left or at >= run.deadline_at:
        return None
    return AlarmRow(run.number, WHOLE, AlarmKind.AT_RISK.value, at, run.pooled)


def is_at_risk(
    run: RunRow,
    plan: Plan,
    durations: Mapping[str, float],
    open_tasks: Sequence[TaskRow],
    now: float,
) -> bool:
    left = time_left(plan, durations, open_tasks, now)
    return run.deadline_at is not None and left > 0 and now + left >= run.deadline_at
