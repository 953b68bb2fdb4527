"""Delivering notices: at least once, of each run and block in order, tried again with longer
and longer pauses, given up after a day's part, and never in the way of a run.

A notice is *taken* before it is sent, so that of several schedulers one sends it. Whoever
dies in between has taken it for a while and no longer: then it is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from tidemill.engine.composing import Draft, draft, finish
from tidemill.errors import TidemillError
from tidemill.model.masking import Mask
from tidemill.model.rows import NoticeRow
from tidemill.ports import (
    Clock,
    Notifiers,
    Secrets,
    Store,
    TemplateError,
    Templates,
    Transaction,
    UnavailableError,
)
from tidemill.spi import NotifyError
from tidemill.waiting import sleep, wait_for

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Notices that are on their way at a time."""

TAKEN = 180.0
"""Seconds for which a notice is its taker's: longer than all it can do with it."""

LONGEST = 120.0
"""Seconds that a delivery may take, whatever its notifier says."""

LOOK = 5.0
"""Seconds between two looks at what others have left, or written."""

TRIES = 12
"""Deliveries that are tried before a notice is dead: some eight hours of them."""

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds between tries: four times as many each time."""

LONGEST_WISH = 86_400.0
"""Seconds that a receiver may ask to be left alone."""

ERROR_LIMIT = 500
"""Characters of an error that are kept."""


def pause(tries: int) -> float:
    """Seconds until the next try, after so many."""
    return float(min(FIRST_PAUSE * 4 ** (tries - 1), LONGEST_PAUSE))


@dataclass(slots=True)
class Delivery:
    """`family` is the run whose notices, and those of the runs below it, are delivered; all
    are where it is None."""

    store: Store
    clock: Clock
    notifiers: Notifiers
    secrets: Secrets
    templates: Templates
    family: int | None = None
    _going: set[asyncio.Task[None]] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something may have become due."""
        self._woken.set()

    async def forever(self) -> None:
        """Delivers what is due, until it is cancelled; what is on its way then is sent again
        by whoever comes next."""
        try:
            while True:
                try:
                    at = await self._begin()
                except TidemillError as error:
                    log.warning("no notices can be delivered: %s", error)
                    at = self.clock.now() + LOOK
                await wait_for(self._woken, self.clock, at)
        finally:
            for task in self._going:
                task.cancel()
            await asyncio.gather(*self._going, return_exceptions=True)

    async def settled(self, seconds: float) -> list[NoticeRow]:
        """Waits until all that is to be told of the family has been, at most so long. What
        has not been delivered."""
        until = self.clock.now() + seconds
        while waiting := await self.store.transact(self._undelivered):
            if self.clock.now() >= until or all(row.due_at is None for row in waiting):
                return waiting
            await sleep(self.clock, 0.05)
        return []

    def _undelivered(self, tx: Transaction) -> list[NoticeRow]:
        rows = tx.notices_of(self.family or 0)
        return [row for row in rows if row.due_at is not None or row.error]

    async def _begin(self) -> float:
        """Sends what is due; when to look again at the latest."""
        self._woken.clear()
        now = self.clock.now()
        free = AT_ONCE - len(self._going)
        rows = await self.store.transact(
            lambda tx: tx.take_notices(now, now + TAKEN, free, self.family)
        )
        for row in rows:
            task = asyncio.create_task(self._deliver(row))
            self._going.add(task)
            task.add_done_callback(self._over)
        due = await self.store.transact(lambda tx: tx.next_notice())
        return min(due, now + LOOK) if due is not None and due > now else now + LOOK

    def _over(self, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        self.wake()  # there is room, and the next one of its run may go

    async def _deliver(self, row: NoticeRow) -> None:
        after = await self._sent(row)
        if after.error and self.family is None:  # of a run of its own, its end says it
            fate = "given up" if after.due_at is None else "tried again later"
            log.warning("notice %s of run %d, %s: %s", row.event, row.run, fate, after.error)
        until = self.clock.now() + TAKEN
        while self.clock.now() < until:
            try:
                await self.store.transact(lambda tx: tx.settle_notice(after))
            except UnavailableError:
                await sleep(self.clock, 1.0)
            except TidemillError as error:
                log.warning("what became of a notice cannot be stored: %s", error)
                return
            else:
                return

    async def _sent(self, row: NoticeRow) -> NoticeRow:
        """Tries to deliver it; what has become of it."""
        try:
            what = await self.store.transact(lambda tx: draft(tx, row))
            settings, mask = await finish(what, self.notifiers, self.templates, self.secrets)
        except TemplateError as error:
            return self._failed(row, str(error), final=True)
        except TidemillError as error:
            return self._failed(row, str(error))
        failure = await attempt(self.notifiers, what, settings, mask, self.clock)
        if failure is None:
            return row._replace(due_at=None, error="")
        wish = min(failure.retry_after or 0.0, LONGEST_WISH)
        return self._failed(row, str(failure), wish, final=failure.permanent)

    def _failed(
        self, row: NoticeRow, error: str, wish: float = 0.0, *, final: bool = False
    ) -> NoticeRow:
        text = " ".join(error.split())[:ERROR_LIMIT] or "it failed without a word"
        if final or row.tries >= TRIES:
            return row._replace(due_at=None, error=text)
        later = self.clock.now() + max(pause(row.tries), wish)
        return row._replace(due_at=later, error=text)


async def attempt(
    notifiers: Notifiers, what: Draft, settings: Any, mask: Mask, clock: Clock
) -> NotifyError | None:
    """Sends a message once; why it was not taken, with no secret in it."""
    try:
        await _send(notifiers, what, settings, clock)
    except NotifyError as error:
        text = mask.text(str(error))
        return NotifyError(text, permanent=error.permanent, retry_after=error.retry_after)
    except Exception as error:  # noqa: BLE001 -- a plugin's bug must not cost the others
        return NotifyError(mask.text(f"{type(error).__name__}: {error}"))
    return None


async def _send(notifiers: Notifiers, what: Draft, settings: Any, clock: Clock) -> None:
    seconds = min(notifiers.timeout(what.kind), LONGEST)
    sending = asyncio.ensure_future(notifiers.get(what.kind).send(what.notice, settings))
    timer = clock.call_at(clock.now() + seconds, lambda: _give_up(sending))
    try:
        await sending
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise NotifyError(f"notify {what.kind} took more than {seconds:g} s") from None
    finally:
        timer.cancel()


def _give_up(sending: asyncio.Future[None]) -> None:
    sending.cancel()
