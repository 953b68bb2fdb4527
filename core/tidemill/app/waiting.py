"""Why a step that may run has not been placed on a worker, as far as workers are the reason."""

from __future__ import annotations

import time

from tidemill.app.history import History
from tidemill.model.placement import Wants, could_fit, wants_of
from tidemill.model.rows import WorkerRow
from tidemill.model.states import TaskState
from tidemill.model.unplaceable import unplaceable

SILENT_SECONDS = 60.0
"""Who was not heard for so long is not there."""

MOST = 5


def waits_for_worker(history: History, number: int, key: str) -> str | None:
    """Of a task of this run, in words; None where it does not wait for a worker, or any of its
    pool would do."""
    task = history.task_row(number, key)
    if task is None or task.state is not TaskState.READY or not task.pool:
        return None
    step = history.plan(history.row(task.run)).steps[task.step].step
    wants, now = wants_of(step), time.time()
    rows = [row for row, _ in history.workers() if now - row.heard_at < SILENT_SECONDS]
    cordoned = {cordon.worker for cordon in history.cordons()}
    rows = [row._replace(draining=row.draining or row.name in cordoned) for row in rows]
    never = unplaceable(rows, wants or Wants(task.pool))
    if never is not None:
        return never
    return None if wants is None else _busy(rows, wants)


def _busy(rows: list[WorkerRow], wants: Wants) -> str:
    able = [row.name for row in rows if not row.draining and could_fit(row, wants)]
    names = ", ".join(able[:MOST]) + (", …" if len(able) > MOST else "")
    return f"waits for a worker that fits, and has so much left over: {names} could take it"
