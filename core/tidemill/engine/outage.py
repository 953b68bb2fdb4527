"""When the database can do nothing for now: it is away, its disk is full. Whoever drives
all runs says so, waits, and goes on once it can; nothing was half done meanwhile."""

from __future__ import annotations

import logging

from tidemill.ports import Clock, UnavailableError
from tidemill.waiting import sleep

log = logging.getLogger("tidemill.engine.scheduler")

AWAY = 1.0
"""Seconds until one tries again what could not be done."""

REPEAT = 60.0
"""Seconds after which the same complaint is said again."""


class Outage:
    """`on` while one waits: a scheduler that cannot write is of no use for now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = 0.0
        self._said = ("", 0.0)
        self.on = False

    async def sit_out(self, error: UnavailableError) -> None:
        """Waits for a moment, and says why unless that was said just before."""
        now = self._clock.now()
        if not self.on:
            self.on, self._since = True, now
        said, at = self._said
        if said != error.message or now - at >= REPEAT:
            log.warning("%s: waiting", error.message)
            self._said = (error.message, now)
        await sleep(self._clock, AWAY)

    def over(self) -> None:
        """To be told whenever the database has done what was asked."""
        if self.on:
            log.warning("the database works again, after %.0f s", self._clock.now() - self._since)
            self.on, self._said = False, ("", 0.0)
