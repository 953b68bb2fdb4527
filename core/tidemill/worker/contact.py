"""Whether a worker may believe that what it holds is still its own.

Schedulers confirm its heartbeats. Who has not been confirmed for a lease may be taken for dead
and its steps be given to somebody else, so it gives them up a little before that. The executors
are told until when: if this process stands still, it is they who end the steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.ports import Clock, Executors, WorkerEnd
from tidemill.spi import boot_time

HEARTBEATS = 3
"""Heartbeats in a lease."""


@dataclass(slots=True)
class Contact:
    """`lease` is in seconds."""

    broker: WorkerEnd
    clock: Clock
    executors: Executors
    lease: float
    _extended_to: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds without contact after which what is held is given up: a lease less a
        heartbeat's time, in which it is killed."""
        return self.lease * (HEARTBEATS - 1) / HEARTBEATS

    @property
    def left(self) -> float:
        """Seconds until what is held is given up, unless there is contact before."""
        return self.broker.last_contact() + self.patience - self.clock.now()

    @property
    def holds(self) -> bool:
        """Whether a scheduler has confirmed lately that it knows of this worker."""
        return self.left > 0

    def is_confirmed_since(self, moment: float) -> bool:
        return self.broker.last_contact() >= moment

    def extend(self) -> None:
        """Tells those who run the steps until when these may be at work. They count from a
        moment before this process's clock is read: to stand still in between gives nobody
        more time."""
        since = boot_time()
        self._extended_to = self.clock.now() + self.left
        self.executors.extend(self.left, since)

    def renew(self) -> None:
        """Tells them, if what they were told last is over."""
        if self._extended_to <= self.clock.now():
            self.extend()
