"""Runs that are made ahead of their due time, so that workers can get ready for them.

A schedule with `prewarm` acts that much earlier: it makes the run, whose first steps are
offered like any others, with the time at which they are due. A worker that claims one holds a
slot for it and begins at that time by itself (`tidemill.worker.reservation`). Such a run stays
`pending` until a step of it has begun, and counts as started at its due time.

Whether the run may start at all, where earlier ones of its schedule are still going, is
decided at the due time. So nothing is made ahead while that is open: only once no earlier run
is going, since none can come then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelang.definition import Approval
from tidemill.model.plan import Plan
from tidemill.model.rows import RunRow
from tidemill.model.states import RunState

LOOK_AGAIN = 1.0
"""Seconds, at least, until one looks again whether an earlier run has ended."""


def act_at(spec: Mapping[str, Any], due_at: float | None) -> float | None:
    """When something is to be done about a due time."""
    return None if due_at is None else due_at - spec.get("prewarm", 0) / 1000


def look_again(now: float, due_at: float) -> float:
    """When one looks again whether the run can be made ahead: at shorter and shorter
    intervals, so that it is made soon after it can be."""
    return min(now + max((due_at - now) / 2, LOOK_AGAIN), due_at)


def is_of_use(plan: Plan) -> bool:
    """Whether anything can be got ready. People are not asked before it is time, and whether a
    limit of runs at a time leaves room is known only then."""
    if plan.definition.concurrency is not None:
        return False
    first = [step for step in plan.steps if not step.needs]
    return not any(isinstance(step.step.action, Approval) for step in first)


def was_made_ahead(run: RunRow) -> bool:
    return run.due_at is not None and run.created_at < run.due_at


def is_ahead(run: RunRow, now: float) -> bool:
    """Whether it is yet to come."""
    return run.due_at is not None and now < run.due_at and was_made_ahead(run)


def started_at(run: RunRow, now: float) -> float:
    """When a run that starts counts as started: one that was made ahead at its due time, since
    its first steps, which may have begun without anybody being asked, were told so."""
    return run.due_at if run.due_at is not None and was_made_ahead(run) else now


def as_it_will_be(run: RunRow, now: float) -> RunRow:
    """As the run's first steps see it, once they run."""
    if run.state is not RunState.PENDING:
        return run
    return run._replace(state=RunState.RUNNING, started_at=started_at(run, now))
