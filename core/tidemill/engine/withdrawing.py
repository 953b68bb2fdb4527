"""Taking back runs that were made ahead of their due time: see `tidemill.engine.reserving`."""

from __future__ import annotations

from tidemill.engine.reserving import act_at
from tidemill.engine.takeover import ask_to_cancel
from tidemill.model.rows import ScheduleRow
from tidemill.ports import Transaction

BEGINNING = 1.0
"""Seconds before its due time in which a run is as good as begun: its workers begin by their own
clocks, and word may come too late to them."""


def withdraw(
    tx: Transaction, row: ScheduleRow, now: float, *, beginning: float = 0.0
) -> ScheduleRow:
    """For whoever pauses, changes or removes a schedule: cancels its runs that are yet to come,
    and takes them from it, but for those that are due within `beginning` seconds. The schedule
    as it is then, to be saved: due again at their times. Their workers are told once somebody
    heeds the signals."""
    ahead = tx.take_ahead(row.number, now + beginning)
    for run in ahead:
        ask_to_cancel(tx, run.number, now)
        tx.signal(run.number)
    times = [run.due_at for run in ahead if run.due_at is not None]
    due_at = min([*times, *([] if row.next_due is None else [row.next_due])], default=None)
    return row._replace(next_due=due_at, act_at=None if row.paused else act_at(row.spec, due_at))
