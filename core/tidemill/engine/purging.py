"""Purging: runs that are old, or that there are too many of, go in small transactions, with
pauses between them, beside whatever else is done with the database."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tidelang import codec
from tidelang.definition import Subrun
from tidemill.errors import TidemillError
from tidemill.ports import Clock, Store, Transaction
from tidemill.waiting import sleep

log = logging.getLogger(__name__)

EVERY = 300.0
"""Seconds between two times that one looks for what is old."""

RUNS = 50
"""Runs that are condemned, or removed, in one transaction."""

ROWS = 500
"""Rows that are removed in one transaction."""

YOUNG = 60.0
"""Seconds for which nothing is removed by itself: late news of it may be on its way."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long runs are kept after their end, in seconds, and how many of each pipeline;
    None is no limit. What is beyond either is removed."""

    age: float | None = None
    runs: int | None = None

    @property
    def everything(self) -> bool:
        return self.age is None and self.runs is None


@dataclass(slots=True)
class Purged:
    runs: int = 0
    rows: int = 0
    definitions: int = 0


@dataclass(slots=True)
class Purge:
    """`forget` is told of runs before they go: whoever keeps files of them removes these."""

    store: Store
    clock: Clock
    keep: Keep
    forget: Callable[[Iterable[int]], None] = lambda _: None
    young: float = YOUNG
    rows: int = ROWS
    _calls: dict[str, frozenset[str]] = field(default_factory=dict)
    """By definition, those that it calls; by their digests."""

    async def forever(self) -> None:
        while True:
            try:
                done = await self.once()
            except TidemillError as error:
                log.warning("nothing could be purged: %s", error)
            else:
                if done.runs:
                    log.info("purged %d runs (%d rows)", done.runs, done.rows)
            await sleep(self.clock, EVERY)

    async def once(self, until: float = math.inf) -> Purged:
        """Removes all there is to remove, or what comes before a time.

        Raises:
            TidemillError: the database cannot be used; what was removed stays so.
        """
        done = Purged()
        await self._remove(done, until)  # what somebody who died has left
        for pipeline in await self.store.transact(lambda tx: tx.pipelines_that_ran()):
            while self.clock.now() < until and (condemned := await self._condemn(pipeline)):
                done.runs += condemned
                await self._remove(done, until)
        if done.rows:
            done.definitions = await self.store.transact(self._drop_definitions)
        return done

    async def expendable(self) -> dict[str, tuple[int, int]]:
        """By pipeline, how many runs and tasks would be removed."""
        found = {}
        for pipeline in await self.store.transact(lambda tx: tx.pipelines_that_ran()):
            counts = await self.store.transact(
                lambda tx, name=pipeline: tx.expendable(name, self._before(tx, name))  # type: ignore[misc]
            )
            if counts[0]:
                found[pipeline] = counts
        return found

    async def _condemn(self, pipeline: str) -> int:
        """A few at a time, so that there are never many that nobody sees any more."""
        begun = self.clock.now()
        condemned = await self.store.transact(
            lambda tx: tx.condemn(pipeline, self._before(tx, pipeline), RUNS)
        )
        await self._rest(begun)
        return condemned

    def _before(self, tx: Transaction, pipeline: str) -> float:
        """When a run of this pipeline must have ended to be too old, or one too many."""
        now, limits = self.clock.now(), [-math.inf]
        if self.keep.age is not None:
            limits.append(now - self.keep.age)
        if self.keep.runs is not None:
            limits.append(tx.ended_before_the_last(pipeline, self.keep.runs) or -math.inf)
        return min(max(limits), now - self.young)

    async def _remove(self, done: Purged, until: float) -> None:
        removed = self.rows
        while removed and self.clock.now() < until:
            begun = self.clock.now()
            removed = await self.store.transact(self._remove_some)
            done.rows += removed
            await self._rest(begun)

    def _remove_some(self, tx: Transaction) -> int:
        runs = tx.condemned(RUNS)
        if not runs:
            return 0
        self.forget(runs)
        return max(tx.remove(runs, self.rows), 1)  # one that has no rows is gone, too

    async def _rest(self, begun: float) -> None:
        """As long as the work took: half of the time is others'."""
        await sleep(self.clock, self.clock.now() - begun)

    def _drop_definitions(self, tx: Transaction) -> int:
        idle = frozenset(tx.idle_definitions())
        try:
            dropped = idle - self._called(tx, idle) if idle else idle
        except codec.FormatError:
            return 0  # nobody can tell what a definition of another release calls
        if dropped:
            tx.drop_definitions(dropped)
        return len(dropped)

    def _called(self, tx: Transaction, idle: frozenset[str]) -> set[str]:
        """Those of the idle ones that a definition which is used calls, or one that it
        calls."""
        called: set[str] = set()
        todo = tx.used_definitions()
        while todo:
            new = self._calls_of(tx, todo.pop()) & idle - called
            called |= new
            todo += new
        return called

    def _calls_of(self, tx: Transaction, digest: str) -> frozenset[str]:
        if digest not in self._calls:
            steps = codec.decode(tx.definition(digest)).steps
            actions = [step.action for step in steps]
            self._calls[digest] = frozenset(a.digest for a in actions if isinstance(a, Subrun))
        return self._calls[digest]
