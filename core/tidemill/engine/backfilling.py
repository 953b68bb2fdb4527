"""Backfills: runs for the due times of a span that has passed, a few at a time.

A backfill is a row that says how far it has come. Whoever works on it holds it locked; the
runs that it makes are stored with how far it has come then, so that a crash loses none and
makes none twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from tidemill.engine.children import Children
from tidemill.engine.create import NewRun
from tidemill.engine.nominal import Applied
from tidemill.errors import TidemillError
from tidemill.model.backfills import coming
from tidemill.model.rows import BackfillRow
from tidemill.ports import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Backfills that are looked at in one transaction, and runs that one makes in it."""

LOOK_AGAIN = 60.0
"""Seconds after which one that is at work is looked at, should the end of a run have gone
unnoticed."""


@dataclass(slots=True)
class Backfilling:
    """Works in one transaction."""

    tx: Transaction
    children: Children
    more: bool = False
    """Whether some may be left."""

    def fill(self, now: float, *, timer: bool) -> None:
        """Looks at those of which a run has ended in this turn and, where a timer has passed,
        at those that are due."""
        ended = {
            run.backfill
            for run in self.children.ledger.moved_runs
            if run.state.ended and run.backfill is not None
        }
        found = self.tx.backfills(sorted(ended)) if ended else []
        if timer:
            due = self.tx.due_backfills(now, AT_ONCE)
            self.more = len(due) == AT_ONCE
            found += [row for row in due if row.number not in ended]
        for row in found:
            if row.ended_at is None:
                self.tx.save_backfill(self._work_on(row, now))

    def _work_on(self, row: BackfillRow, now: float) -> BackfillRow:
        going = self.children.ledger.still_open(self.tx.open_runs_of_backfill(row.number))
        room = max(0, row.max_parallel - len(going))
        count = min(room, AT_ONCE)
        times = list(islice(coming(row), count + 1))
        try:
            self.children.make(self._news(row, times[:count]), now)
        except TidemillError as error:
            log.error("backfill %s of %s cannot go on: %s", row.number, row.pipeline, error)
            return row._replace(next_due=None, look_at=None, ended_at=now, detail=str(error))
        left = times[count:]
        row = row._replace(next_due=left[0] if left else None, made=row.made + len(times[:count]))
        if not times and not going:
            return row._replace(look_at=None, ended_at=now)
        soon = bool(left) and room > count
        self.more |= soon
        return row._replace(look_at=now if soon else now + LOOK_AGAIN)

    def _news(self, row: BackfillRow, times: Sequence[float]) -> list[NewRun]:
        if not times:
            return []
        applied = Applied(self.tx)
        applied.read([row.pipeline])
        cause = {"kind": "backfill", "backfill": row.number, "by": row.created_by}
        more = [
            {"due_at": at, "backfill": row.number, "cause": {**cause, "due_at": at}} for at in times
        ]
        return [applied.new_run(row.pipeline, row.params, **each) for each in more]
