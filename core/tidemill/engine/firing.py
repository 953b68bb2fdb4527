"""Runs that schedules start: exactly one for each due time, whoever fires it.

A schedule's row is locked while it fires, its next due time is written in the same
transaction as the run, and a second run for a due time would break a unique index.

All that act in a turn do so together: what is read of them, the runs that they start and what
becomes of them are some statements, however many they are.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidemill.engine.children import Children
from tidemill.engine.create import NewRun
from tidemill.engine.nominal import Applied
from tidemill.engine.reserving import act_at, is_of_use, look_again
from tidemill.errors import TidemillError
from tidemill.model import causes, schedules
from tidemill.model.rows import ScheduleRow
from tidemill.ports import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Schedules that are looked at in one transaction."""

_INDEPENDENT = frozenset({"allow", "queue"})
"""Policies of `overlap` by which a run is made whatever has become of those before it."""


@dataclass(slots=True)
class _Acting:
    """A schedule that acts: its row as it becomes, the due times that are left to be dealt
    with, and its runs that are going. One that acts `ahead` has one time, which is yet to come."""

    row: ScheduleRow
    times: deque[float]
    going: list[int]
    ahead: bool = False

    def take(self) -> list[float]:
        """Those times that can be dealt with at once."""
        count = len(self.times) if self.row.spec["overlap"] in _INDEPENDENT else 1
        return [self.times.popleft() for _ in range(count)]

    def made(self, due_at: float, run: int, now: float) -> None:
        self.going.append(run)
        self.row = self.row._replace(fired_due=due_at, fired_at=now)
        if self.ahead:
            then = _after(self.row, due_at)
            self.row = self.row._replace(next_due=then, act_at=act_at(self.row.spec, then))

    def passed_over(self, due_at: float) -> None:
        """No run is made for that time, or none ahead of it."""
        if self.ahead:
            self.row = self.row._replace(act_at=due_at)
        else:
            self.row = self.row._replace(missed=self.row.missed + 1, missed_at=due_at)


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
        if not found:
            return
        acting = self._look_at(found, now)
        applied = Applied(self.tx)
        applied.read(each.row.pipeline for each in acting if each.times)
        while left := [each for each in acting if each.times]:
            self._make(left, applied, now)
        rows = [each.row for each in acting]
        self.tx.save_schedules(rows)
        self.more |= any(row.act_at is not None and row.act_at <= now for row in rows)

    def _look_at(self, rows: Sequence[ScheduleRow], now: float) -> list[_Acting]:
        latest = self.tx.latest_due(row.number for row in rows)
        careful = [row.number for row in rows if row.spec["overlap"] != "allow"]
        going = self.tx.open_runs_of(careful) if careful else {}
        return [self._acting(row, latest, going.get(row.number, []), now) for row in rows]

    def _acting(
        self, row: ScheduleRow, latest: Mapping[int, float], going: list[int], now: float
    ) -> _Acting:
        """What there is to do for a schedule. For times up to its `latest` runs were made."""
        fired = latest.get(row.number, float("-inf"))
        coming = row.next_due
        if coming is not None and now < coming:
            if coming <= fired or not self._may_come(row, going):
                row = row._replace(act_at=look_again(now, coming))
                return _Acting(row, deque(), going)
            return _Acting(row, deque((coming,)), going, ahead=True)
        later = schedules.offset(row.spec, row.pipeline)
        what = schedules.due(row.spec, (row.next_due or now) - later, now - later)
        then = None if what.then is None else what.then + later
        row = row._replace(next_due=then, act_at=act_at(row.spec, then))
        if what.missed_at is not None:
            row = row._replace(missed=row.missed + what.missed, missed_at=what.missed_at + later)
        times = (at + later for at in what.times)
        return _Acting(row, deque(at for at in times if at > fired), going)

    def _make(self, acting: Sequence[_Acting], applied: Applied, now: float) -> None:
        """Deals with some times of each, at least one."""
        news: list[NewRun] = []
        whose: list[tuple[_Acting, float]] = []
        for each in acting:
            for due_at in each.take():
                new = self._new(each, due_at, applied)
                if new is None:
                    each.passed_over(due_at)
                else:
                    news.append(new)
                    whose.append((each, due_at))
        for made, (each, due_at) in zip(self.children.make(news, now), whose, strict=True):
            each.made(due_at, made.run.number, now)

    def _new(self, each: _Acting, due_at: float, applied: Applied) -> NewRun | None:
        """The run for a due time; None if there is to be none, or none can be made, or none
        ahead."""
        row = each.row
        if not each.ahead and not self._may_start(row, each.going):
            return None
        waits = row.spec["overlap"] == "queue" and not each.ahead  # else it is sure to start
        try:
            new = applied.new_run(
                row.pipeline,
                row.spec["params"],
                schedule=row.number,
                due_at=due_at,
                queued=waits,
                cause=causes.schedule(row.number, due_at),
            )
        except TidemillError as error:
            log.error("schedule %s of %s cannot start: %s", row.number, row.pipeline, error)
            return None
        return None if each.ahead and not is_of_use(new.plan) else new

    def _may_come(self, row: ScheduleRow, going: Iterable[int]) -> bool:
        """Whether it is certain by now that it may start: no earlier run is going, or that does
        not matter."""
        return row.spec["overlap"] == "allow" or not self.children.ledger.still_open(going)

    def _may_start(self, row: ScheduleRow, going: Iterable[int]) -> bool:
        """What its `overlap` says where earlier runs of it are still going."""
        overlap = row.spec["overlap"]
        if overlap in _INDEPENDENT:
            return True
        left = self.children.ledger.still_open(going)
        if overlap == "replace":
            self._cancel(left)
            return True
        return not left

    def _cancel(self, runs: Iterable[int]) -> None:
        """The wish is durable with the run that replaces them; the turn that it wakes
        carries it out, with their families in hand."""
        for number in runs:
            self.tx.signal(number, cancel=True)


def _after(row: ScheduleRow, due_at: float) -> float | None:
    """The due time that follows one."""
    later = schedules.offset(row.spec, row.pipeline)
    then = schedules.first_after(row.spec, due_at - later)
    return None if then is None else then + later
