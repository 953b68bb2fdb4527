"""Runs that schedules start: exactly one for each due time, whoever fires it.

A schedule's row is locked while it fires, its next due time is written in the same
transaction as the run, and a second run for a due time would break a unique index.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from tidemill.engine.children import Children
from tidemill.engine.nominal import begin, new_run
from tidemill.engine.reserving import act_at, is_of_use, look_again
from tidemill.errors import TidemillError
from tidemill.model import causes, schedules
from tidemill.model.rows import PipelineRow, ScheduleRow
from tidemill.ports import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Schedules that are looked at in one transaction."""


@dataclass(slots=True)
class Firing:
    """Fires what is due in one transaction."""

    tx: Transaction
    children: Children
    more: bool = False
    """Whether some may be left."""

    def fire(self, now: float) -> None:
        found = self.tx.due_schedules(now, AT_ONCE)
        self.more = len(found) == AT_ONCE
        pipelines = {name: self.tx.pipeline(name) for name in {row.pipeline for row in found}}
        for row in found:
            pipeline = pipelines[row.pipeline]
            if pipeline is not None:
                after = self._fire(row, pipeline, now)
                self.tx.save_schedule(after)
                self.more |= after.act_at is not None and after.act_at <= now

    def _fire(self, row: ScheduleRow, pipeline: PipelineRow, now: float) -> ScheduleRow:
        """Makes the runs that are due, and counts what no run is made for."""
        if row.next_due is not None and now < row.next_due:
            return self._fire_ahead(row, pipeline, row.next_due, now)
        later = schedules.offset(row.spec, row.pipeline)
        what = schedules.due(row.spec, (row.next_due or now) - later, now - later)
        then = None if what.then is None else what.then + later
        after = row._replace(next_due=then, act_at=act_at(row.spec, then))
        if what.missed:
            after = after._replace(missed=row.missed + what.missed, missed_at=what.missed_at)
        for due_at in what.times:
            if self.tx.is_fired(row.number, due_at):
                continue
            if self._may_start(row) and self._start(row, pipeline, due_at, now):
                after = after._replace(fired_due=due_at, fired_at=now)
            else:
                after = after._replace(missed=after.missed + 1, missed_at=due_at)
        return after

    def _fire_ahead(
        self, row: ScheduleRow, pipeline: PipelineRow, due_at: float, now: float
    ) -> ScheduleRow:
        """Makes the run that is yet to come; if that cannot be yet, one looks again later, and
        at last when it is due."""
        if self.tx.is_fired(row.number, due_at) or not self._may_come(row):
            return row._replace(act_at=look_again(now, due_at))
        if not self._start(row, pipeline, due_at, now):
            return row._replace(act_at=due_at)
        later = schedules.offset(row.spec, row.pipeline)
        then = schedules.first_after(row.spec, due_at - later)
        then = None if then is None else then + later
        acts = act_at(row.spec, then)
        return row._replace(next_due=then, act_at=acts, fired_due=due_at, fired_at=now)

    def _may_come(self, row: ScheduleRow) -> bool:
        """Whether it is certain by now that it may start: no earlier run is going, or that does
        not matter."""
        if row.spec["overlap"] == "allow":
            return True
        return not self.children.ledger.still_open(self.tx.open_runs_of(row.number))

    def _may_start(self, row: ScheduleRow) -> bool:
        """What its `overlap` says where earlier runs of it are still going."""
        overlap = row.spec["overlap"]
        if overlap in {"allow", "queue"}:
            return True
        going = self.children.ledger.still_open(self.tx.open_runs_of(row.number))
        if overlap == "replace":
            self._cancel(going)
            return True
        return not going

    def _cancel(self, runs: Iterable[int]) -> None:
        """The wish is durable with the run that replaces them; the turn that it wakes
        carries it out, with their families in hand."""
        for number in runs:
            self.tx.signal(number, cancel=True)

    def _start(self, row: ScheduleRow, pipeline: PipelineRow, due_at: float, now: float) -> bool:
        """Makes the run; False if it cannot be made, or not ahead."""
        try:
            new = new_run(
                self.tx,
                pipeline,
                row.spec["params"],
                schedule=row.number,
                due_at=due_at,
                queued=row.spec["overlap"] == "queue" and now >= due_at,  # else it is sure to start
                cause=causes.schedule(row.number, due_at),
            )
        except TidemillError as error:
            log.error("schedule %s of %s cannot start: %s", row.number, row.pipeline, error)
            return False
        if now < due_at and not is_of_use(new.plan):
            return False
        begin(self.tx, self.children, new, now)
        return True
