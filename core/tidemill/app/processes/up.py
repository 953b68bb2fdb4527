"""`tidemill up`: a scheduler and a worker, with a NATS server of their own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tidemill.app import artifacts as stores
from tidemill.app import reach
from tidemill.app.artifacts import Place
from tidemill.app.fleet import Fleet
from tidemill.app.garbage import collected_seldom
from tidemill.app.health import Health
from tidemill.app.observers import observing
from tidemill.app.pools import pools
from tidemill.app.processes.beside import (
    collecting,
    delivering_notices,
    installed_plugins,
    purging,
    store_beside,
)
from tidemill.app.processes.scheduler import SchedulerOptions, scheduling
from tidemill.app.processes.waiting import Stop
from tidemill.app.processes.worker import WorkerOptions, work, working
from tidemill.app.purging import purge_of
from tidemill.broker.connection import NatsAccess
from tidemill.broker.embedded import EmbeddedServer
from tidemill.clock import SystemClock
from tidemill.engine.delivery import Delivery
from tidemill.engine.purging import Keep, Purge
from tidemill.engine.scheduler import LEASE
from tidemill.errors import UsageError
from tidemill.plugins import Plugins
from tidemill.project import Project
from tidemill.store.database import (
    open_postgres,
    open_sqlite,
    upgrade_postgres,
)
from tidemill.store.sql import SqlStore

log = logging.getLogger("tidemill")


async def run_up(
    project: Project,
    where: Fleet,
    options: WorkerOptions,
    *,
    health: Health,
    keep: Keep,
    lease: float = LEASE,
) -> None:
    """NATS (a server of its own, unless one is configured), a scheduler and a worker, on the
    project's SQLite or a PostgreSQL.

    Raises:
        TidemillError: something is in the way, or cannot be used.
    """
    with _alone(project), contextlib.ExitStack() as stack:
        store = await asyncio.to_thread(_store_of_up, project, where)
        place = stores.place(project, where, options.artifacts)
        if where.nats is None:
            server = EmbeddedServer(project.nats)
            started = server.start()
            stack.callback(server.stop)
            stack.enter_context(_told(project, started, where, place))
            where = replace(where, nats=started.url, nats_token=started.token)
        stop, plugins = Stop(), installed_plugins()
        with stop.listening():
            async with (
                purging(_purge_of_up(project, where, keep)),
                collecting(project, where, place, keep),
                delivering_notices(project, _store_beside_up(project, where)) as delivery,
                observing(plugins, _store_beside_up(project, where), SystemClock()),
            ):
                options = options.settled()
                await _up(
                    project, store, where, place, options, lease, health, stop, delivery, plugins
                )
    log.info("stopped")


async def _up(
    project: Project,
    store: SqlStore,
    where: Fleet,
    place: Place,
    options: WorkerOptions,
    lease: float,
    health: Health,
    stop: Stop,
    delivery: Delivery,
    plugins: Plugins,
) -> None:
    found = reach.access(where)
    if found is None:
        raise ValueError("no NATS was started")
    driven = SchedulerOptions(lease=lease, pools=pools(project))
    async with (
        collected_seldom(SystemClock()),
        scheduling(store, found, driven, health, stop, delivery, plugins) as driving,
        working(project, where, place, options, lease, health, stop) as worker,
    ):
        if driving is None or worker is None:
            return
        going = asyncio.create_task(work(worker, stop))
        await asyncio.wait({driving, going}, return_when=asyncio.FIRST_COMPLETED)
        if driving.done():
            going.cancel()
            driving.result()
        await going


def _store_of_up(project: Project, where: Fleet) -> SqlStore:
    if where.postgres is None:
        return SqlStore(open_sqlite(project.database))
    upgrade_postgres(where.postgres)
    return SqlStore(open_postgres(where.postgres), threaded=True)


def _purge_of_up(project: Project, where: Fleet, keep: Keep) -> Purge:
    store = _store_beside_up(project, where)
    if where.postgres is not None:
        return Purge(store, SystemClock(), keep)
    return purge_of(project, store, keep, SystemClock())


def _store_beside_up(project: Project, where: Fleet) -> SqlStore:
    if where.postgres is not None:
        return store_beside(where.postgres)
    return SqlStore(open_sqlite(project.database), threaded=True)


@contextmanager
def _alone(project: Project) -> Iterator[None]:
    """One `up` a project: its SQLite has one scheduler."""
    project.state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(project.state / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"`tidemill up` runs in {project.root} already", "there can be but one"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _told(project: Project, found: NatsAccess, where: Fleet, place: Place) -> Iterator[None]:
    """Tells the commands in this project how to reach what runs here, while it does."""
    told = {
        "pid": os.getpid(),
        "nats": found.url,
        "nats_token": found.token,
        "artifacts": place.address,
    }
    if where.postgres:
        told["postgres"] = where.postgres
    descriptor = os.open(project.up, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(told, file)
    try:
        yield
    finally:
        project.up.unlink(missing_ok=True)
