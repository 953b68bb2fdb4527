"""Why a step that may run has not been placed on a worker, as far as workers are the reason."""

from __future__ import annotations

from tidemill.model.placement import Wants, could_fit, wants_of
from tidemill.model.plan import Plan
from tidemill.model.rows import TaskRow, WorkerRow
from tidemill.model.unplaceable import unplaceable
from tidemill.store.history import SqlHistory

MOST = 5


def waits_for_worker(sql: SqlHistory, lease: float, plan: Plan, task: TaskRow, now: float) -> str:
    """In words; empty where any worker of its pool would do."""
    wants = wants_of(plan.steps[task.step].step)
    if wants is None:
        return ""
    cordoned = {cordon.worker for cordon in sql.cordons()}
    there = [
        row._replace(draining=row.draining or row.name in cordoned)
        for row, _ in sql.workers()
        if now - row.heard_at <= lease
    ]
    return unplaceable(there, wants) or _busy(there, wants)


def _busy(there: list[WorkerRow], wants: Wants) -> str:
    able = [row.name for row in there if not row.draining and could_fit(row, wants)]
    names = ", ".join(able[:MOST]) + (", …" if len(able) > MOST else "")
    return f"it waits until a worker has left over what it wants: {names} could take it"
