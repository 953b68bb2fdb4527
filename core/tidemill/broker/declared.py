"""What schedulers keep declared in NATS: the streams, and the consumers of pools and of workers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from tidemill.broker import streams, subjects
from tidemill.ports import Clock, Epoch

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
"""How long an answer about streams is waited for. A cluster without a leader gives none, and
one in which two declare the same at once leaves one of them without: the next question is
answered, while this one keeps all that the scheduler has to do waiting."""


class Declared:
    """What cannot be declared now is said, and declared when it is wanted again."""

    def __init__(
        self, client: Client, clock: Clock, replicas: int, ack_wait: float, report_wait: float
    ) -> None:
        self._jetstream = client.jetstream(timeout=ASK_SECONDS)
        self._clock = clock
        self._replicas = replicas
        self._ack_wait = ack_wait
        self._report_wait = report_wait
        self._pools: set[str] = set()
        self._workers: dict[str, float] = {}
        """When the consumer of what is for it alone was declared last, by worker."""
        self._epoch = ""
        self._epoch_since = clock.now()
        self._declaring = asyncio.Lock()

    def forget(self) -> None:
        """The server may be another one, and know nothing."""
        self._pools.clear()
        self._workers.clear()

    def known_epoch(self) -> Epoch:
        return Epoch(self._epoch, self._epoch_since)

    async def epoch(self) -> Epoch:
        try:
            found = await streams.epoch(self._jetstream)
        except (NatsError, JetStreamError):
            return replace(self.known_epoch(), since=self._clock.now())
        if found is None:
            await self.declare()
        elif found != self._epoch:
            self._begin(found)
        return self.known_epoch()

    def _begin(self, epoch: str) -> None:
        self._epoch, self._epoch_since = epoch, self._clock.now()

    async def declare(self) -> None:
        """One at a time: whoever finds out that something is missing, others do so, too."""
        async with self._declaring:
            await self._try_to_declare()

    async def _try_to_declare(self) -> None:
        try:
            epoch = await streams.declare(self._jetstream, self._replicas, self._report_wait)
            if epoch != self._epoch:
                self._begin(epoch)
            for pool in self._pools or {"default"}:
                await streams.declare_pool(self._jetstream, pool, self._ack_wait)
                self._pools.add(pool)
            await self._learn_owners()
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: streams cannot be declared now: %s", error)

    async def _learn_owners(self) -> None:
        """Of workers that something is left for: other schedulers may have declared them, and
        been gone before it was time to sweep."""
        every = subjects.EVERYBODYS_OWN_WORK
        info = await self._jetstream.stream_info(subjects.WORK, subjects_filter=every)
        for subject in info.state.subjects or {}:
            self._workers.setdefault(subjects.owner(subject), self._clock.now() - streams.OWN_KEPT)

    async def ensure_pool(self, pool: str) -> None:
        if pool in self._pools:
            return
        try:
            await streams.declare_pool(self._jetstream, pool, self._ack_wait)
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: pool %s cannot be declared now: %s", pool, error)
        else:
            self._pools.add(pool)

    async def ensure_own(self, worker: str) -> None:
        """Where the worker asks for what is for it alone; whatever is published before waits
        in the stream."""
        now = self._clock.now()
        if now - self._workers.get(worker, -streams.OWN_KEPT) < streams.OWN_KEPT / 2:
            return
        try:
            await streams.declare_own(self._jetstream, worker, self._ack_wait)
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: worker %s cannot be declared now: %s", worker, error)
        else:
            self._workers[worker] = now
        await self._sweep(now)

    async def _sweep(self, now: float) -> None:
        """Nobody reads what is left for a worker that has not come back."""
        gone = [w for w, at in self._workers.items() if now - at > 2 * streams.OWN_KEPT]
        for worker in gone:
            del self._workers[worker]
            try:
                subject = subjects.own_work(worker)
                await self._jetstream.purge_stream(subjects.WORK, subject=subject)
            except (NatsError, JetStreamError) as error:
                log.info("NATS: what was for %s is still there: %s", worker, error)
