"""A worker of a fleet."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.app import artifacts as stores
from tidemill.app import reach
from tidemill.app.artifacts import Place
from tidemill.app.executors import InstalledExecutors
from tidemill.app.fleet import Fleet
from tidemill.app.garbage import collected_seldom
from tidemill.app.health import Health
from tidemill.app.machine import detected
from tidemill.app.processes.waiting import Stop, first, patiently
from tidemill.app.records import FileRecords
from tidemill.app.secrets import installed_secrets
from tidemill.broker import subjects
from tidemill.broker.connection import connect
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.engine.scheduler import LEASE
from tidemill.errors import TidemillError, UsageError
from tidemill.project import Project
from tidemill.waiting import end
from tidemill.worker.worker import Worker

log = logging.getLogger("tidemill")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Who a worker is and what it takes. `artifacts` is the address of a store that all
    workers reach, or a folder; `resources` are what it has, as far as it is not to be found
    out."""

    pool: str = "default"
    slots: int = 0
    name: str = ""
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    artifacts: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    returns: bool = False
    """Whether it is known by its name after a restart, and takes its steps back."""

    def settled(self) -> WorkerOptions:
        """With what was left open: as many slots as processors, a name of its own, and what
        this machine has."""
        return WorkerOptions(
            self.pool,
            self.slots or len(os.sched_getaffinity(0)),
            self.name or f"{socket.gethostname()}-{os.getpid()}",
            self.region,
            self.labels,
            self.artifacts,
            {**detected(), **self.resources},
            bool(self.name),
        )


async def run_worker(
    project: Project,
    where: Fleet,
    options: WorkerOptions,
    *,
    health: Health,
    lease: float = LEASE,
) -> None:
    """A worker of a fleet, until SIGTERM: then it ends what it holds, and takes no more.

    Raises:
        TidemillError: what is configured makes no sense.
    """
    if where.nats is None:
        raise UsageError("a worker needs a NATS", "--nats URL, or TIDEMILL_NATS")
    stop, place = Stop(), stores.place(project, where, options.artifacts)
    with stop.listening():
        async with (
            collected_seldom(SystemClock()),
            working(project, where, place, options.settled(), lease, health, stop) as worker,
        ):
            if worker is not None:
                await work(worker, stop)
    log.info("stopped")


async def work(worker: Worker, stop: Stop) -> None:
    working = asyncio.create_task(worker.run())
    await first(working, stop.drain)
    log.info("draining: %d steps are still at work", worker.in_hand)
    worker.drain()
    await first(working, stop.now)
    await end(working)


@asynccontextmanager
async def working(
    project: Project,
    where: Fleet,
    place: Place,
    options: WorkerOptions,
    lease: float,
    health: Health,
    stop: Stop,
) -> AsyncIterator[Worker | None]:
    secrets = installed_secrets(project.root)
    secrets.open()  # what is configured wrongly is said now, not by the first step
    clock, found = SystemClock(), reach.access(where)
    if found is None:
        raise ValueError("a worker without a NATS")
    ends: list[JetStreamWorkerEnd] = []

    async def again() -> None:
        for made in ends:
            await made.reconnected()

    token = subjects.token(options.name)
    inbox = f"_INBOX.{token}"
    artifacts, results = stores.open_artifacts(place, project, where, clock, inbox)
    client = await patiently(
        lambda: connect(found, f"tidemill worker {options.name}", inbox=inbox, reconnected=again),
        stop,
    )
    if client is None:
        yield None
        return
    broker = JetStreamWorkerEnd(client, clock, options.name, options.pool)
    await broker.open()
    ends.append(broker)
    folder = project.state / "workers" / token
    records = _records(folder / "steps", options)
    executors = InstalledExecutors(folder / "scratch", leased=True, recoverable=records is not None)
    worker = Worker(
        options.name,
        broker,
        clock,
        executors,
        artifacts,
        secrets,
        results,
        project.root,
        slots=options.slots,
        lease=lease,
        pool=options.pool,
        region=options.region,
        labels=options.labels,
        resources=options.resources,
        records=records,
    )
    health.check("contact", lambda: worker.in_contact)
    gc.freeze()
    log.info("worker %s: pool %s, %d slots", options.name, options.pool, options.slots)
    log.info("artifacts: %s", place.shown())
    try:
        yield worker
    finally:
        await executors.close()
        await artifacts.close()
        await secrets.close()
        await broker.close()
        await client.close()
        if records is not None:
            records.close()


def _records(folder: Path, options: WorkerOptions) -> FileRecords | None:
    """None for a worker that nobody would know again, or that could be mistaken."""
    if not options.returns:
        return None
    try:
        records = FileRecords.of(folder)
    except OSError as error:
        raise TidemillError(
            f"worker {options.name}: cannot write to {folder}: {error.strerror}"
        ) from error
    if records is None:
        log.warning(
            "another worker %s lives in this project: if this one is killed, its steps are lost",
            options.name,
        )
    return records
