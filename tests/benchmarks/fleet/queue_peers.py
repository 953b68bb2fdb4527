"""The task queues beside which the fleet is measured: how each is run, and how it is timed.

One worker process each (Celery's prefork pool, which is its default, has two children: this
machine's processors). A task is done when its body has run; what a peer stores or acknowledges
after that is not waited for, which is in its favour.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from postgres import Postgres
from servers import Missing, Process, nats, redis, until

PEERS = Path(__file__).parent / "peers"
GLANCE = 0.002
"""Seconds between two looks at how many tasks have run."""

STILL = 20.0
"""Seconds without a task that has run, after which a peer is given up."""


@dataclass(frozen=True)
class Peer:
    """`worker` is its command, as of the environment's `bin`; `how` says what is set."""

    name: str
    module: str
    worker: str
    server: str
    how: str
    durable: str = "everysec"
    results: bool = True
    extra: bool = False
    """A variant, which is left out of the sequential case; `once`: of the first round alone."""
    once: bool = False
    home: str = "queues"
    """The environment that it is installed in."""


@dataclass(frozen=True)
class Timed:
    """Tasks a second: with everything queued beforehand, and from just before the first is
    enqueued; the seconds that enqueueing took; those of the sequential steps."""

    drain: float
    whole: float
    enqueue: float
    chain: float | None


def _celery(pool: str, count: int) -> Peer:
    quiet = "--without-gossip --without-mingle --without-heartbeat -l WARNING"
    command = f"celery -A celery_app worker -P {pool} -c {count} {quiet}"
    how = f"{pool} pool of {count}, prefetch 64 each"
    return Peer(f"celery, {pool}", "celery_app", command, "redis", how)


CELERY_POOLS = (
    _celery("prefork", 2),
    _celery("gevent", 100),
    _celery("threads", 8),
    _celery("solo", 1),
)
OTHERS = (
    Peer(
        "taskiq",
        "taskiq_app",
        "taskiq worker taskiq_app:broker --workers 1 --max-async-tasks 100 --max-prefetch 100"
        " --log-level ERROR",
        "nats",
        "pulls, 100 at once, uvloop",
    ),
    Peer(
        "procrastinate",
        "procrastinate_app",
        "procrastinate --app procrastinate_app.app worker -c 20",
        "postgres",
        "20 at once",
    ),
    Peer(
        "dramatiq",
        "dramatiq_app",
        "dramatiq dramatiq_app --processes 1 --threads 8",
        "redis",
        "8 threads, prefetch 100",
    ),
    Peer(
        "arq",
        "arq_app",
        "arq arq_app.WorkerSettings --custom-log-dict quiet.LOG",
        "redis",
        "100 at once, looks every 10 ms",
        home="arq",
    ),
)


class Bench:
    """A peer at work: its server, its client, and its worker when it is wanted."""

    def __init__(self, peer: Peer, python: Path, folder: Path, url: str) -> None:
        self.peer, self._folder = peer, folder
        self._count = folder / "count"
        self._bin = python.parent
        self.env = {
            "BENCH_URL": url,
            "BENCH_COUNT": str(self._count),
            "BENCH_RESULTS": "1" if peer.results else "0",
            "PYTHONPATH": str(PEERS),
            "dramatiq_queue_prefetch": "100",
        }
        if peer.server == "postgres":
            self._schema()
        self._client = Process(
            [python, PEERS / "drive.py", peer.module], folder, self.env, talks=True
        )
        self._worker: Process | None = None

    def _schema(self) -> None:
        command = [self._bin / "procrastinate", "--app", "procrastinate_app.app", "schema"]
        made = Process([*command, "--apply"], self._folder, self.env)
        until(lambda: not made.alive(), f"the schema: {made.tail()}")

    def measured(self, tasks: int, steps: int) -> Timed:
        self.enqueue(1)  # what a client does but once is not measured
        self.enqueue(tasks)
        self._start_worker()
        drain = self._drained(tasks + 1)
        done = self._done()
        since = time.perf_counter()
        self.enqueue(tasks)
        enqueued = time.perf_counter() - since
        self._wait(done + tasks)
        whole = tasks / (time.perf_counter() - since)
        chain = self._chain(steps) if steps else None
        return Timed(drain, whole, enqueued, chain)

    def enqueue(self, count: int) -> None:
        self._client.ask(f"enqueue {count}")

    def _chain(self, steps: int) -> float:
        done = self._done()
        since = time.perf_counter()
        self._client.ask(f"chain {steps}")
        self._wait(done + steps)
        return time.perf_counter() - since

    def _start_worker(self) -> None:
        program, *arguments = self.peer.worker.split()
        self._worker = Process([self._bin / program, *arguments], self._folder, self.env)

    def _drained(self, tasks: int) -> float:
        """From the first task that has run to the last."""
        first = self._wait(1)
        since = time.perf_counter()
        self._wait(tasks)
        return (tasks - first) / (time.perf_counter() - since)

    def _wait(self, tasks: int) -> int:
        seen, since = self._done(), time.monotonic()
        while seen < tasks:
            time.sleep(GLANCE)
            now = self._done()
            if now > seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > STILL:
                said = self._worker.tail() if self._worker else ""
                raise Missing(f"{self.peer.name} stands still at {seen} of {tasks}: {said}")
        return seen

    def _done(self) -> int:
        return self._count.stat().st_size if self._count.exists() else 0

    def stop(self) -> None:
        for process in (self._worker, self._client):
            if process is not None:
                process.stop()


@contextmanager
def at_work(peer: Peer, python: Path, postgres: Postgres) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="tide-peer-") as name:
        folder = Path(name)
        with _server(peer, folder, postgres) as url:
            bench = Bench(peer, python, folder, url)
            try:
                yield bench
            finally:
                bench.stop()


@contextmanager
def _server(peer: Peer, folder: Path, postgres: Postgres) -> Iterator[str]:
    if peer.server == "redis":
        with redis(folder, peer.durable) as url:
            yield url
    elif peer.server == "nats":
        with nats(folder) as url:
            yield url
    else:
        url = postgres.database(empty=True)
        yield url
        name = url.split("/")[3].split("?")[0]
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
