"""Runs that schedules start: exactly one for each due time, whoever fires it.

A schedule's row is locked while it fires, its next due time is written in the same
transaction as the run, and a second run for a due time would break a unique index.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from tidelang import codec, values
from tidemill.engine.children import Children
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.reserving import act_at, is_of_use, look_again
from tidemill.errors import TidemillError
from tidemill.model import schedules
from tidemill.model.plan import make_plan
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
        for row in found:
            pipeline = self.tx.pipeline(row.pipeline)
            if pipeline is not None:
                self._fire(row, pipeline, now)

    def _fire(self, row: ScheduleRow, pipeline: PipelineRow, now: float) -> None:
        if row.next_due is not None and now < row.next_due:
            self._fire_ahead(row, pipeline, row.next_due, now)
            return
        later = schedules.offset(row.spec, row.pipeline)
        what = schedules.due(row.spec, (row.next_due or now) - later, now - later)
        then = None if what.then is None else what.then + later
        self.tx.save_schedule(row._replace(next_due=then, act_at=act_at(row.spec, then)))
        for due_at in what.times:
            if not self.tx.is_fired(row.number, due_at) and self._may_start(row):
                self._start(row, pipeline, due_at, now)

    def _fire_ahead(
        self, row: ScheduleRow, pipeline: PipelineRow, due_at: float, now: float
    ) -> None:
        """Makes the run that is yet to come; if that cannot be yet, one looks again later, and
        at last when it is due."""
        if self.tx.is_fired(row.number, due_at) or not self._may_come(row):
            self.tx.save_schedule(row._replace(act_at=look_again(now, due_at)))
            return
        if not self._start(row, pipeline, due_at, now):
            self.tx.save_schedule(row._replace(act_at=due_at))
            return
        later = schedules.offset(row.spec, row.pipeline)
        then = schedules.first_after(row.spec, due_at - later)
        then = None if then is None else then + later
        self.tx.save_schedule(row._replace(next_due=then, act_at=act_at(row.spec, then)))

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
        content = self.tx.definition(pipeline.digest)
        definition = codec.decode(content)
        types = {param.name: param.type for param in definition.params}
        params = {
            name: values.from_json(value, types[name]) for name, value in row.spec["params"].items()
        }
        try:
            plan = make_plan(definition, params)
        except TidemillError as error:
            log.error("schedule %s of %s cannot start: %s", row.number, row.pipeline, error)
            return False
        if now < due_at and not is_of_use(plan):
            return False
        new = NewRun(
            plan,
            pipeline.digest,
            content,
            pipeline.file,
            chosen=frozenset(range(plan.size)),
            carried={},
            pooled=True,
            told=True,
            schedule=row.number,
            due_at=due_at,
            queued=row.spec["overlap"] == "queue" and now >= due_at,  # else it is sure to start
        )
        run = create_run(self.tx, new, now, self.children.progress.standing)
        self.children.plans.replace(run.number, plan)
        self.children.ledger.add_made(run, self.tx.all_tasks(run.number))
        return True
