"""The workers that are there, as their heartbeats say: a cache of what can be heard again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tidemill.model.messages import Heartbeat
from tidemill.model.rows import WorkerRow

MAX_BUFFER = 16
"""Offers for each slot, at most, beyond what it can take at once."""


def worker_row(beat: Heartbeat, now: float) -> WorkerRow:
    return WorkerRow(
        beat.worker,
        beat.pool,
        beat.slots,
        beat.region,
        beat.labels,
        beat.draining or beat.cordoned,
        now,
        beat.resources,
    )


class Capacity(NamedTuple):
    """Of a pool: the slots of its workers, and how much may be offered to them at a time."""

    slots: int
    offers: int


class Roster:
    """Workers count for a lease after they were heard."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._workers: dict[str, WorkerRow] = {}
        self.cordoned: set[str] = set()
        """Those that say that they are."""

    def heard(self, beat: Heartbeat, now: float) -> bool:
        """Whether it is new, or another one than before."""
        before, row = self._workers.get(beat.worker), worker_row(beat, now)
        self._workers[beat.worker] = row
        (self.cordoned.add if beat.cordoned else self.cordoned.discard)(beat.worker)
        return before is None or before._replace(heard_at=now) != row

    def seed(self, rows: Iterable[WorkerRow], now: float) -> None:
        """What others have heard, as far as it is news."""
        for row in rows:
            if now - row.heard_at <= self._lease:
                self._workers.setdefault(row.name, row)

    def workers(self, now: float) -> list[WorkerRow]:
        """Those that are there."""
        return [w for w in self._workers.values() if now - w.heard_at <= self._lease]

    def gone(self, names: Iterable[str]) -> None:
        for name in names:
            self._workers.pop(name, None)

    def capacity(self, now: float, taken_meanwhile: float) -> dict[str, Capacity]:
        """By pool. What may be offered is what its workers can take, and a buffer: as much
        again, and where steps are short what is taken (`taken_meanwhile`, by all) while
        results are gathered, so that no slot that gets free waits for a turn."""
        slots: dict[str, int] = {}
        for name, row in list(self._workers.items()):
            if now - row.heard_at > self._lease:
                del self._workers[name]
            elif not row.draining:
                slots[row.pool] = slots.get(row.pool, 0) + row.slots
        total = sum(slots.values()) or 1
        return {
            pool: Capacity(
                count, 2 * count + min(int(taken_meanwhile * count / total), MAX_BUFFER * count)
            )
            for pool, count in slots.items()
        }
