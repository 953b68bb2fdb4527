"""The long-lived processes: a scheduler, a worker, and both with a NATS server of their own
(`tidemill up`). Each starts, says that it is ready, works until it is told to stop, and
leaves nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tidemill.app import artifacts as stores
from tidemill.app import reach
from tidemill.app.artifacts import Place
from tidemill.app.collecting import collect_forever
from tidemill.app.executors import InstalledExecutors
from tidemill.app.fleet import Fleet
from tidemill.app.garbage import collected_seldom
from tidemill.app.health import Health
from tidemill.app.notifying import delivering
from tidemill.app.observers import observing
from tidemill.app.policies import policies_of
from tidemill.app.purging import purge_of
from tidemill.app.secrets import installed_secrets
from tidemill.broker import subjects
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.embedded import EmbeddedServer
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.engine.delivery import Delivery
from tidemill.engine.purging import Keep, Purge
from tidemill.engine.scheduler import HEARTBEATS, LEASE, Scheduler
from tidemill.engine.waiting import end
from tidemill.engine.worker import Worker
from tidemill.errors import UsageError
from tidemill.model.rows import RunRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.plugins import Plugins, load
from tidemill.ports import UnavailableError
from tidemill.project import Project
from tidemill.store.database import (
    open_postgres,
    open_sqlite,
    postgres_engine,
    upgrade_postgres,
)
from tidemill.store.sql import SqlStore

log = logging.getLogger("tidemill")

T = TypeVar("T")

AGAIN_SECONDS = 1.0
"""Between two tries to reach NATS or the database at the start."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Who a worker is and what it takes. `artifacts` is the address of a store that all
    workers reach, or a folder."""

    pool: str = "default"
    slots: int = 0
    name: str = ""
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    artifacts: str | None = None

    def settled(self) -> WorkerOptions:
        """With what was left open: as many slots as processors, and a name of its own."""
        return WorkerOptions(
            self.pool,
            self.slots or len(os.sched_getaffinity(0)),
            self.name or f"{socket.gethostname()}-{os.getpid()}",
            self.region,
            self.labels,
            self.artifacts,
        )


class Stop:
    """The first signal asks to drain, the second to stop at once."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.now = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._came)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _came(self) -> None:
        if self.drain.is_set():
            self.now.set()
        self.drain.set()


class RunLog:
    """What the log of a scheduler says of runs and steps. Who is `woken` has notices of them
    to deliver, perhaps."""

    def __init__(self, woken: Delivery) -> None:
        self._woken = woken

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        if runs or any(task.state is TaskState.AWAITING_APPROVAL for task in tasks):
            self._woken.wake()
        for run in runs:
            if run.state.ended:
                log.info("run %d of %s %s", run.number, run.pipeline, run.state.value)
        for task in tasks:
            if task.state.ended:
                log.debug("%s of run %d %s", task.key, task.run, task.state.value)


# --- a scheduler ---------------------------------------------------------------------


async def run_scheduler(
    project: Project,
    where: Fleet,
    *,
    replicas: int,
    health: Health,
    keep: Keep,
    lease: float = LEASE,
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
    with stop.listening():
        opened = await _patiently(lambda: asyncio.to_thread(open_postgres, url), stop)
        if opened is None:
            return
        store = SqlStore(opened, threaded=True)
        clean, plugins = Purge(_beside(url), SystemClock(), keep), _plugins()
        async with (
            collected_seldom(clean.clock),
            _delivering(project, _beside(url)) as delivery,
            _scheduling(store, found, replicas, lease, health, stop, delivery, plugins) as driving,
            _purging(clean),
            _collecting(project, where, place, keep),
            observing(plugins, _beside(url), SystemClock()),
        ):
            if driving is not None:
                await _first(driving, stop.drain)
        log.info("stopped")


@asynccontextmanager
async def _scheduling(
    store: SqlStore,
    found: NatsAccess,
    replicas: int,
    lease: float,
    health: Health,
    stop: Stop,
    delivery: Delivery,
    plugins: Plugins,
) -> AsyncIterator[asyncio.Task[None] | None]:
    """A scheduler at work; None where it was stopped before it could begin."""
    ahead = await _patiently(lambda: asyncio.to_thread(store.clock_ahead), stop)
    clock = SystemClock(ahead or 0.0)
    ends: list[JetStreamSchedulerEnd] = []

    async def again() -> None:
        for made in ends:
            await made.reconnected()

    name = f"tidemill scheduler {socket.gethostname()}-{os.getpid()}"
    client = await _patiently(lambda: connect(found, name, reconnected=again), stop)
    if client is None:
        await store.close()
        yield None
        return
    # What a scheduler has read and dies with must reach another one within the lease.
    broker = JetStreamSchedulerEnd(client, clock, replicas=replicas, report_wait=lease / HEARTBEATS)
    await broker.open()
    ends.append(broker)
    watcher, policy = RunLog(delivery), policies_of(plugins)
    scheduler = Scheduler(store, broker, clock, watcher, lease=lease, policy=policy)
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


@asynccontextmanager
async def _purging(purge: Purge) -> AsyncIterator[None]:
    """Removes what is old, on a connection of its own, so that no turn waits for it."""
    work = None if purge.keep.everything else asyncio.create_task(purge.forever())
    try:
        yield
    finally:
        if work is not None:
            await end(work)
        await purge.store.close()


@asynccontextmanager
async def _delivering(project: Project, store: SqlStore) -> AsyncIterator[Delivery]:
    """Tells people, on a connection of its own, so that no turn waits for it."""
    try:
        async with delivering(project.root, store, SystemClock()) as delivery:
            yield delivery
    finally:
        await store.close()


@asynccontextmanager
async def _collecting(
    project: Project, where: Fleet, place: Place, keep: Keep
) -> AsyncIterator[None]:
    """Where runs are removed, what they alone referred to goes as well, some time later."""
    if keep.everything:
        yield
        return
    work = asyncio.create_task(collect_forever(project, where, place))
    try:
        yield
    finally:
        await end(work)


def _plugins() -> Plugins:
    """What is installed. One that has failed might be a policy: nobody can tell."""
    plugins = load()
    for info in plugins.installed():
        if info.failure is not None:
            log.warning("%s; none of its hooks is called", info.failure)
    return plugins


def _beside(url: str) -> SqlStore:
    return SqlStore(postgres_engine(url), threaded=True)


class Progressing:
    """Whether a count has grown lately."""

    def __init__(self, count: Callable[[], int], clock: SystemClock, within: float) -> None:
        self._count, self._clock, self._within = count, clock, within
        self._last, self._at = -1, clock.now()

    def __call__(self) -> bool:
        now, count = self._clock.now(), self._count()
        if count != self._last:
            self._last, self._at = count, now
        return now - self._at <= self._within


# --- a worker ------------------------------------------------------------------------


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
            _working(project, where, place, options.settled(), lease, health, stop) as worker,
        ):
            if worker is not None:
                await _work(worker, stop)
    log.info("stopped")


async def _work(worker: Worker, stop: Stop) -> None:
    working = asyncio.create_task(worker.run())
    await _first(working, stop.drain)
    log.info("draining: %d steps are still at work", worker.in_hand)
    worker.drain()
    await _first(working, stop.now)
    await end(working)


@asynccontextmanager
async def _working(
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
    client = await _patiently(
        lambda: connect(found, f"tidemill worker {options.name}", inbox=inbox, reconnected=again),
        stop,
    )
    if client is None:
        yield None
        return
    broker = JetStreamWorkerEnd(client, clock, options.name, options.pool)
    await broker.open()
    ends.append(broker)
    scratch = project.state / "workers" / token / "scratch"
    executors = InstalledExecutors(scratch, leased=True)
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


# --- both, on one machine ------------------------------------------------------------


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
        stop, plugins = Stop(), _plugins()
        with stop.listening():
            async with (
                _purging(_purge_of_up(project, where, keep)),
                _collecting(project, where, place, keep),
                _delivering(project, _store_beside_up(project, where)) as delivery,
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
    async with (
        collected_seldom(SystemClock()),
        _scheduling(store, found, 1, lease, health, stop, delivery, plugins) as driving,
        _working(project, where, place, options, lease, health, stop) as worker,
    ):
        if driving is None or worker is None:
            return
        working = asyncio.create_task(_work(worker, stop))
        await asyncio.wait({driving, working}, return_when=asyncio.FIRST_COMPLETED)
        if driving.done():
            working.cancel()
            driving.result()
        await working


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
        return _beside(where.postgres)
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


# --- waiting -------------------------------------------------------------------------


async def _first(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Until the task has ended, and with its error, or the event has happened."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


async def _patiently(ask: Callable[[], Awaitable[T]], stop: Stop) -> T | None:
    """Asks until it can be reached; None if it is told to stop before."""
    said = ""
    while not stop.drain.is_set():
        try:
            return await ask()
        except UnavailableError as error:
            if said != str(error):
                log.warning("%s: waiting for it", error)
            said = str(error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.drain.wait(), AGAIN_SECONDS)
    return None
