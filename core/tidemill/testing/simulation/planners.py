"""People who see to schedules: they pause and resume them, apply other versions of their
pipeline, and have runs made for times that have passed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tidelang import codec
from tidelang.definition import Definition
from tidemill.app.applying import apply_definition
from tidemill.app.calendars import Calendars
from tidemill.app.pausing import paused, resumed
from tidemill.model.backfills import nominal_times
from tidemill.model.rows import BackfillRow
from tidemill.ports import Transaction
from tidemill.testing.simulation.database import Database
from tidemill.testing.simulation.ends import Wire
from tidemill.testing.simulation.pipelines import versions_of
from tidemill.testing.simulation.time import EPOCH
from tidemill.testing.simulation.timetable import Timetable

PAUSES, CHANGES, BACKFILLS = 3, 4, 2
"""How often each is done in a story."""

LASTS = (0.5, 4.0, 12.0, 30.0)
"""Seconds of a pause."""

CALENDARS = Calendars(Path(), Path(), date(2026, 1, 1))


class Planners:
    """They see to one pipeline. They reach the database whenever they try; that schedulers are
    told may be lost."""

    def __init__(
        self,
        dice: random.Random,
        database: Database,
        wire: Wire,
        timetable: Timetable,
        definition: Definition,
    ) -> None:
        self._dice, self._database, self._wire = dice, database, wire
        self._timetable, self._name = timetable, definition.name
        self._versions = versions_of(definition)
        self._over = False

    @staticmethod
    def _now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def work(self, seconds: float) -> None:
        doing = [self._pause] * PAUSES + [self._change] * CHANGES + [self._backfill] * BACKFILLS
        times = sorted((self._dice.uniform(0, seconds), n) for n in range(len(doing)))
        for at, number in times:
            await asyncio.sleep(max(at - asyncio.get_running_loop().time(), 0))
            doing[number]()
        await asyncio.sleep(max(seconds - asyncio.get_running_loop().time(), 0))
        self._over = True
        self._do(self._end)

    def _do(self, work: Callable[[Transaction], None]) -> None:
        self._database.now(work)
        if self._dice.random() < 0.7:
            self._wire.nudge(0)

    # schedules

    def _pause(self) -> None:
        self._do(self._pause_all)
        asyncio.get_running_loop().call_later(self._dice.choice(LASTS), self._resume)

    def _pause_all(self, tx: Transaction) -> None:
        for row in tx.schedules_of(self._name):
            if not row.paused:
                after = paused(tx, row, "", self._now())
                tx.save_schedules([after])
                self._timetable.paused(after, self._now())

    def _resume(self) -> None:
        if not self._over:
            self._do(self._resume_all)

    def _resume_all(self, tx: Transaction) -> None:
        for row in tx.schedules_of(self._name):
            if row.paused:
                after = resumed(row, self._now())
                tx.save_schedules([after])
                self._timetable.resumed(after, self._now())

    def _end(self, tx: Transaction) -> None:
        """Nothing is due any more."""
        for row in tx.schedules_of(self._name):
            after = paused(tx, row, "", self._now())
            tx.save_schedules([after._replace(next_due=None)])
            self._timetable.ended(after)

    # versions

    def apply(self, tx: Transaction) -> None:
        """The first one."""
        self._apply(tx, self._versions[0])

    def _change(self) -> None:
        version = self._dice.choice(self._versions)
        self._do(lambda tx: self._apply(tx, version))

    def _apply(self, tx: Transaction, version: Definition) -> None:
        before = tx.schedules_of(self._name)
        apply_definition(tx, version, f"{self._name}.tide", CALENDARS, self._now(), "me")
        self._timetable.applied(codec.digest(version), self._name)
        after = {row.number: row for row in tx.schedules_of(self._name)}
        for row in before:
            if row.number not in after:
                self._timetable.ended(row)
        known = {row.number for row in before}
        for row in after.values():
            if row.number in known:
                self._timetable.goes_on(row)
            elif row.paused:
                self._timetable.paused(row, self._now())
            else:
                self._timetable.begun(row)

    # times that have passed

    def _backfill(self) -> None:
        self._do(self._ask_for_backfill)

    def _ask_for_backfill(self, tx: Transaction) -> None:
        (row, *_), now = tx.schedules_of(self._name), self._now()
        count, parallel = self._dice.randint(1, 6), self._dice.randint(1, 3)
        last = now - self._dice.uniform(0, 100)
        times = list(nominal_times(row.spec, last - count * row.spec["every"] / 1000, last))
        new = BackfillRow(
            0, self._name, row.spec, {}, times[0], times[-1], len(times), parallel, now, "me",
            look_at=now,
        )  # fmt: skip
        self._timetable.backfills[tx.add_backfill(new)] = (parallel, times)
