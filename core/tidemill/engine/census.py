"""What heartbeats change in the database where all runs are driven: leases move on, and
what workers and database believe of each other is brought together again.

News may be lost on the way (the broker may lose everything), heartbeats come again: a
worker that holds what counts as offered has started it, or reserved a slot for it; one that
holds what is not its own any more is told to stop; one whose run is being cancelled is told so
once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tidemill.engine.booking import GRACE
from tidemill.engine.roster import worker_row
from tidemill.model.messages import Cordon, Heartbeat, Started, StopAttempt
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction

FORGET_AFTER = 3600.0
"""Seconds for which a worker that is not heard any more is remembered."""


@dataclass(slots=True)
class News:
    """What heartbeats bring to light. `started` are attempts whose start was not heard of;
    `cordons` are for workers that believe something else of themselves than was decided."""

    started: list[Started] = field(default_factory=list)
    stops: list[StopAttempt] = field(default_factory=list)
    cordons: list[Cordon] = field(default_factory=list)


def renew(tx: Transaction, beats: Sequence[Heartbeat], now: float, lease: float) -> News:
    """Moves the leases of all that these workers hold."""
    tx.save_workers([worker_row(beat, now) for beat in beats])
    tx.forget_workers(now - FORGET_AFTER)
    reserved = {(held.ref, held.fence) for beat in beats for held in beat.reserved}
    holders = {(held.ref, held.fence): beat.worker for beat in beats for held in beat.held}
    cordoned = {row.worker for row in tx.cordons()}
    differ = {
        beat.worker: beat.cordoned for beat in beats if beat.cordoned != (beat.worker in cordoned)
    }
    news = News(cordons=[Cordon(worker, lifted=lifted) for worker, lifted in differ.items()])
    if not holders:
        return news
    tx.renew([(ref, fence, worker) for (ref, fence), worker in holders.items()], now + lease)
    standing = tx.standing(holders)
    for claim, worker in holders.items():
        ref, fence = claim
        if claim not in standing:
            news.stops.append(StopAttempt(ref, fence, 0, worker))
            continue
        task, run = standing[claim]
        waits = claim in reserved
        if task is TaskState.QUEUED or (task is TaskState.RESERVED and not waits):
            news.started.append(Started(ref, fence, worker, now, waits))
        elif run is RunState.CANCELLING:
            news.stops.append(StopAttempt(ref, fence, GRACE, worker))
    return news
