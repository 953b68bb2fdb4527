"""Taking back runs that were made ahead of their due time: see `tidemill.engine.reserving`."""

from __future__ import annotations

from tidemill.engine.reserving import act_at
from tidemill.engine.takeover import ask_to_cancel
from tidemill.model.rows import ScheduleRow
from tidemill.ports import Transaction


def withdraw(tx: Transaction, row: ScheduleRow, now: float) -> ScheduleRow:
    """For whoever pauses, changes or removes a schedule: cancels its runs that are yet to come,
    and takes them from it. The schedule as it is then, to be saved: due again at their times.
    Their workers are told once somebody heeds the signals."""
    ahead = tx.take_ahead(row.number, now)
    for run in ahead:
        ask_to_cancel(tx, run.number, now)
        tx.signal(run.number)
    times = [run.due_at for run in ahead if run.due_at is not None]
    due_at = min([*times, *([] if row.next_due is None else [row.next_due])], default=None)
    return row._replace(next_due=due_at, act_at=None if row.paused else act_at(row.spec, due_at))
