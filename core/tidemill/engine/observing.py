"""Telling plugins of events: every one that was committed, of each run in order, at least
once, and never in the way of a run.

Each plugin has a cursor in the database. It is moved after the plugin was told, so what it
was told of just before a process died it is told again. Of several schedulers the one that
holds the cursor tells; whoever comes next holds it once the hold of a dead one is over.

Events are numbered when they are written and seen when they are committed, which is another
order. So nothing is told beyond a number up to which all is *settled*: every transaction
that was under way when that number was the last one has ended (`ports.Events.look`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidemill.errors import TidemillError
from tidemill.model.rows import EventLook, ObservedRow, ObserverRow
from tidemill.ports import Clock, Observer, Store, Transaction, UnavailableError
from tidemill.waiting import end, sleep

log = logging.getLogger(__name__)

BATCH = 200
"""Events that are read at a time."""

HELD = 30.0
"""Seconds for which a cursor is its holder's: longer than a plugin may take for an event."""

SAVE = 1.0
"""Seconds after which a cursor is written at the latest, if its plugin has returned."""

LOOK = 0.5
"""Seconds between two looks at what others have written."""

SOON = 0.1
"""Seconds until one looks again whether what is under way has ended."""

TRIES = 5
"""Times that an event is told to a plugin that fails, before it is passed over."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds between tries: four times as many each time."""


def pause(tries: int) -> float:
    """Seconds until the next try, after so many."""
    return float(min(FIRST_PAUSE * 4 ** (tries - 1), LONGEST_PAUSE))


@dataclass(slots=True)
class Settling:
    """Up to which number all events can be seen, as far as it is known."""

    upto: int = -1
    _waited_for: EventLook | None = None

    def seen(self, look: EventLook) -> bool:
        """Takes in how things are now; whether nothing is left to wait for."""
        if self._waited_for is None:
            self._waited_for = look
        if look.oldest < self._waited_for.next:
            return False
        self.upto, self._waited_for = self._waited_for.last, None
        return self.upto == look.last


@dataclass(slots=True)
class Observing:
    """`me` names this process among all that may tell the same plugins."""

    store: Store
    clock: Clock
    observers: Sequence[Observer]
    me: str
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _going: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        self._going += [asyncio.create_task(self._follow(each)) for each in self.observers]

    async def close(self) -> None:
        """Ends once every plugin has returned, or used up its time, and how far it has come
        is stored: nothing is told twice because a process was stopped."""
        self._closing.set()
        await asyncio.gather(*self._going)

    async def _follow(self, observer: Observer) -> None:
        settling = Settling()
        while not self._closing.is_set():
            try:
                seconds = await self._round(observer, settling)
            except TidemillError as error:
                log.warning("%s cannot be told of events: %s", observer.title, error)
                seconds = LOOK
            await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        over = asyncio.ensure_future(sleep(self.clock, seconds))
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({over, closing}, return_when=asyncio.FIRST_COMPLETED)
        await end(over, closing)

    async def _round(self, observer: Observer, settling: Settling) -> float:
        """Tells what there is to tell; seconds until the next time."""
        complete = settling.seen(await self.store.transact(lambda tx: tx.look()))
        again = LOOK if complete else SOON
        if settling.upto < 0:
            return again
        row = await self._hold(observer, settling.upto)
        if row is None:
            return again
        telling = Telling(self.store, self.clock, observer, row)
        try:
            more = await telling.tell(settling.upto, self._closing.is_set)
            await telling.leave()
        except LostError:
            return LOOK
        return 0.0 if more else again

    async def _hold(self, observer: Observer, upto: int) -> ObserverRow | None:
        """None where there is nothing to be told by this process. A plugin that is new has
        seen all that was settled before it came."""
        now = self.clock.now()

        def work(tx: Transaction) -> ObserverRow | None:
            row = tx.observer(observer.name)
            if row is None:
                tx.add_observer(observer.name, upto)
                return None
            if row.seq >= upto or row.due_at > now:
                return None
            return tx.hold_observer(observer.name, self.me, now, now + HELD)

        return await self.store.transact(work) if observer.idle else None


Closing = Callable[[], bool]


class LostError(Exception):
    """Somebody else has the cursor."""


class Telling:
    """One round of one plugin, whose cursor is held."""

    def __init__(self, store: Store, clock: Clock, observer: Observer, row: ObserverRow) -> None:
        self._store, self._clock, self._observer = store, clock, observer
        self._stored = self._row = row
        self._stored_at = clock.now()

    async def tell(self, upto: int, closing: Closing) -> bool:
        """Tells one event after the other; whether there are more.

        Raises:
            LostError: this process was so slow that somebody else does it by now.
        """
        after = self._row.seq
        rows = await self._store.transact(lambda tx: tx.events(after, upto, BATCH))
        for row in rows:
            if closing() or not await self._one(row):
                return False
            await self._save_in_time()
        if len(rows) < BATCH:
            self._row = self._row._replace(seq=upto)
        return len(rows) == BATCH

    async def _one(self, row: ObservedRow) -> bool:
        """Whether the next one may follow."""
        error = await self._observer.tell(row.event)
        if not error:
            self._row = self._row._replace(seq=row.seq, tries=0, due_at=0.0)
            return True
        tries, title = self._row.tries + 1, self._observer.title
        if tries >= TRIES:
            passed = self._row.passed_over + 1
            self._row = self._row._replace(seq=row.seq, tries=0, due_at=0.0, passed_over=passed)
            log.error(
                "%s failed with event %s %d times; it is passed over, as %d so far: %s",
                title, row.event.id, tries, passed, error,
            )  # fmt: skip
            return self._observer.idle
        seconds = pause(tries)
        self._row = self._row._replace(tries=tries, due_at=self._clock.now() + seconds)
        log.warning(
            "%s failed with event %s, and is told again in %g s: %s",
            title, row.event.id, seconds, error,
        )  # fmt: skip
        return False

    async def _save_in_time(self) -> None:
        now = self._clock.now()
        if now - self._stored_at >= SAVE:
            await self._save(held_until=now + HELD)

    async def leave(self) -> None:
        """Stores how far it has come. Anybody may tell it next, unless it has not returned:
        then it is left alone for a while."""
        await self._save(held_until=0.0 if self._observer.idle else self._clock.now() + HELD)

    async def _save(self, held_until: float) -> None:
        after = self._row._replace(held_until=held_until)
        if not await self._moved(self._stored, after):
            raise LostError
        self._stored = self._row = after
        self._stored_at = self._clock.now()

    async def _moved(self, before: ObserverRow, after: ObserverRow) -> bool:
        """Tried as long as the cursor is held: what was told must not be told again because
        the database was away for a moment."""
        while True:
            try:
                return await self._store.transact(lambda tx: tx.move_observer(before, after))
            except UnavailableError:
                if self._clock.now() > before.held_until:
                    raise
                await sleep(self._clock, 1.0)
