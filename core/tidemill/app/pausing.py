"""Pausing schedules, and letting them go on.

No run is made for a time that falls into a pause, then or later, whatever `catchup` says:
that is for times when nobody was there to act, and a pause is somebody's will. So is no run made
for what had passed by then, and no scheduler had dealt with: that counts as missed.
"""

from __future__ import annotations

from tidemill.app.applying import no_pipeline, nudge
from tidemill.app.fleet import writing_store
from tidemill.clock import SystemClock
from tidemill.engine.reserving import act_at
from tidemill.engine.withdrawing import withdraw
from tidemill.errors import UsageError
from tidemill.model import schedules
from tidemill.model.rows import ScheduleRow
from tidemill.ports import Transaction
from tidemill.project import Project


def pause(
    project: Project, pipeline: str | None, number: int | None, reason: str
) -> list[ScheduleRow]:
    """Pauses all schedules of a pipeline, or one; those that were at work until now.

    Raises:
        UsageError: there is none.
        TidemillError: the database cannot be used.
    """

    def work(tx: Transaction) -> list[ScheduleRow]:
        found = [row for row in _chosen(tx, pipeline, number) if not row.paused]
        now = SystemClock().now()  # others may have had them in hand until they were due
        rows = [paused(tx, row, reason, now) for row in found]
        for row in rows:
            tx.save_schedules([row])
        return rows

    done = writing_store(project).transact_now(work)
    if done:  # what was made ahead is taken back
        nudge(project, 0)
    return done


def resume(project: Project, pipeline: str | None, number: int | None) -> list[ScheduleRow]:
    """Lets schedules go on with the next time from now; those that were paused.

    Raises:
        UsageError: there is none.
        TidemillError: the database cannot be used.
    """

    def work(tx: Transaction) -> list[ScheduleRow]:
        found = [row for row in _chosen(tx, pipeline, number) if row.paused]
        now = SystemClock().now()
        rows = [resumed(row, now) for row in found]
        for row in rows:
            tx.save_schedules([row])
        return rows

    done = writing_store(project).transact_now(work)
    if done:
        nudge(project, 0)
    return done


def paused(tx: Transaction, row: ScheduleRow, reason: str, now: float) -> ScheduleRow:
    """As it is then, to be saved; what was made ahead is taken back."""
    row = withdraw(tx, row, now)._replace(paused=True, reason=reason, act_at=None)
    if row.next_due is None or row.next_due > now:
        return row
    later = schedules.offset(row.spec, row.pipeline)
    left = schedules.passed(row.spec, row.next_due - later, now - later)
    then = None if left.then is None else left.then + later
    last = None if left.missed_at is None else left.missed_at + later
    return row._replace(next_due=then, missed=row.missed + left.missed, missed_at=last)


def resumed(row: ScheduleRow, now: float) -> ScheduleRow:
    """As it is then, to be saved: due next at the next time from now. What comes before
    `next_due` was dealt with before the pause, perhaps by a scheduler whose clock is ahead."""
    later = schedules.offset(row.spec, row.pipeline)
    first = schedules.first_after(row.spec, now - later)
    due = None if first is None or row.next_due is None else max(first + later, row.next_due)
    return row._replace(paused=False, reason="", next_due=due, act_at=act_at(row.spec, due))


def _chosen(tx: Transaction, pipeline: str | None, number: int | None) -> list[ScheduleRow]:
    if number is not None:
        one = tx.schedule(number)
        if one is None or pipeline not in {None, one.pipeline}:
            of = f" of {pipeline}" if pipeline else ""
            raise UsageError(
                f"there is no schedule {number}{of}", "`tidemill schedules` lists them"
            )
        return [one]
    if pipeline is None:
        raise UsageError("nothing is named", "name a pipeline, or one schedule: --schedule 3")
    if tx.pipeline(pipeline) is None:
        raise no_pipeline(pipeline, [row.name for row in tx.pipelines()])
    found = tx.schedules_of(pipeline)
    if not found:
        raise UsageError(f"{pipeline} has no schedules", "`tidemill schedules` lists those of all")
    return found
