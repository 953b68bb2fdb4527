"""A scheduler of a fleet."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tidemill.app import artifacts as stores
from tidemill.app import reach
from tidemill.app.fleet import Fleet
from tidemill.app.garbage import collected_seldom
from tidemill.app.health import Health
from tidemill.app.observers import observing
from tidemill.app.policies import policies_of
from tidemill.app.pools import pools
from tidemill.app.processes.beside import (
    collecting,
    delivering_notices,
    installed_plugins,
    purging,
    store_beside,
)
from tidemill.app.processes.waiting import Progressing, Stop, first, patiently
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.clock import SystemClock
from tidemill.engine.delivery import Delivery
from tidemill.engine.placing import REGION_WAIT
from tidemill.engine.purging import Keep, Purge
from tidemill.engine.scheduler import LEASE, Scheduler
from tidemill.engine.turns import HEARTBEATS
from tidemill.errors import UsageError
from tidemill.model.pools import Pool
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.model.views import LATE_WORDS
from tidemill.plugins import Plugins
from tidemill.project import Project
from tidemill.store.database import (
    open_postgres,
)
from tidemill.store.sql import SqlStore
from tidemill.waiting import end

log = logging.getLogger("tidemill")


class RunLog:
    """What the log of a scheduler says of runs and steps. Who is `woken` delivers notices of
    them."""

    def __init__(self, woken: Delivery) -> None:
        self._woken = woken

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        for run in runs:
            if run.state.ended:
                log.info("run %d of %s %s", run.number, run.pipeline, run.state.value)
        for task in tasks:
            if task.state.ended:
                log.debug("%s of run %d %s", task.key, task.run, task.state.value)

    def told(self) -> None:
        self._woken.wake()

    def late(self, found: Sequence[LateRow]) -> None:
        for row in found:
            what = f"{row.key} of run {row.run}" if row.key else f"run {row.run}"
            log.warning("%s %s: %s", what, LATE_WORDS[row.event], row.detail)


@dataclass(frozen=True, slots=True)
class SchedulerOptions:
    """`replicas` are those of JetStream's streams; a dispatch, a claim or a heartbeat is
    believed for `lease` seconds; `pools` is what is configured of them; a step waits
    `region_wait` seconds for each region that it prefers to others."""

    replicas: int = 1
    lease: float = LEASE
    pools: Mapping[str, Pool] = field(default_factory=dict)
    region_wait: float = REGION_WAIT


async def run_scheduler(
    project: Project,
    where: Fleet,
    *,
    replicas: int,
    health: Health,
    keep: Keep,
    lease: float = LEASE,
    region_wait: float = REGION_WAIT,
) -> None:
    """A scheduler of a fleet, until SIGTERM.

    Raises:
        TidemillError: what is configured makes no sense, or the database is of another
            version. What cannot be reached is waited for.
    """
    found = reach.access(where)
    if where.postgres is None or found is None:
        raise UsageError(
            "a scheduler needs a PostgreSQL and a NATS",
            "--postgres URL --nats URL, or `tidemill up` for both on this machine",
        )
    url, stop, place = where.postgres, Stop(), stores.place(project, where)
    options = SchedulerOptions(replicas, lease, pools(project), region_wait)
    with stop.listening():
        opened = await patiently(lambda: asyncio.to_thread(open_postgres, url), stop)
        if opened is None:
            return
        store = SqlStore(opened, threaded=True)
        clean, plugins = Purge(store_beside(url), SystemClock(), keep), installed_plugins()
        async with (
            collected_seldom(clean.clock),
            delivering_notices(project, store_beside(url)) as delivery,
            scheduling(store, found, options, health, stop, delivery, plugins) as driving,
            purging(clean),
            collecting(project, where, place, keep),
            observing(plugins, store_beside(url), SystemClock()),
        ):
            if driving is not None:
                await first(driving, stop.drain)
        log.info("stopped")


@asynccontextmanager
async def scheduling(
    store: SqlStore,
    found: NatsAccess,
    options: SchedulerOptions,
    health: Health,
    stop: Stop,
    delivery: Delivery,
    plugins: Plugins,
) -> AsyncIterator[asyncio.Task[None] | None]:
    """A scheduler at work; None where it was stopped before it could begin."""
    lease = options.lease
    ahead = await patiently(lambda: asyncio.to_thread(store.clock_ahead), stop)
    clock = SystemClock(ahead or 0.0)
    ends: list[JetStreamSchedulerEnd] = []

    async def again() -> None:
        for made in ends:
            await made.reconnected()

    name = f"tidemill scheduler {socket.gethostname()}-{os.getpid()}"
    client = await patiently(lambda: connect(found, name, reconnected=again), stop)
    if client is None:
        await store.close()
        yield None
        return
    # What a scheduler has read and dies with must reach another one within the lease.
    broker = JetStreamSchedulerEnd(
        client, clock, replicas=options.replicas, report_wait=lease / HEARTBEATS
    )
    await broker.open()
    ends.append(broker)
    watcher, policy = RunLog(delivery), policies_of(plugins)
    scheduler = Scheduler(
        store,
        broker,
        clock,
        watcher,
        lease=lease,
        policy=policy,
        pools=options.pools,
        region_wait=options.region_wait,
    )
    health.check("nats", lambda: client.is_connected)
    health.check("database", lambda: not scheduler.outage.on)
    health.check("turns", Progressing(lambda: scheduler.turns, clock, 3 * lease))
    gc.freeze()
    driving = asyncio.create_task(scheduler.drive())
    log.info("scheduling (NATS %s, lease %g s)", found.shown(), lease)
    try:
        yield driving
    finally:
        await end(driving)
        await broker.close()
        await client.close()
        await store.close()
