"""Whether a task costs the same, however many the database has stored: throughput, and what
the scheduler and its sessions in PostgreSQL use of the processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clones
from ours import Fleet
from servers import Process, until
from throughput import NOOP_SLOTS

WAVES = 3
BACKLOG = 100_000
SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """CPU microseconds a task, of the scheduler's process and of its sessions in the database."""

    stored: str
    rate: float
    scheduler: float
    database: float


def stored(here: Fleet, sizes: list[int], backlog: int) -> Iterator[Cost]:
    """One cost after the other, the median of the waves by what a task costs in all."""
    with here.at_work():
        scheduler = here.scheduler()
        here.noop_worker(NOOP_SLOTS)
        here.run("one")
        small = here.trigger("small")
        here.ended(small)
        for size in sizes:
            clones.ended_tasks(here, small, size)
            yield _median([_wave(here, scheduler, f"{size:,} ended") for _ in range(WAVES)])
        if backlog:
            _waiting(here, here.trigger("nowhere"), backlog)
            what = f"and {backlog:,} ready, which nobody takes"
            yield _median([_wave(here, scheduler, what) for _ in range(WAVES)])
            yield _behind(here, scheduler, backlog)


def _wave(here: Fleet, scheduler: Process, what: str) -> Cost:
    before = _used(here, scheduler)
    _, started, ended = here.run("wide")
    after = _used(here, scheduler)
    return _cost(what, here.tasks, ended - started, before, after)


def _waiting(here: Fleet, run: int, backlog: int) -> None:
    ready = f"SELECT count(*) FROM task WHERE run = {run} AND state = 'ready'"
    until(lambda: here.query(ready)[0][0] == here.tasks, "the backlog")
    clones.copies(here, run, backlog // here.tasks - 1)


def _behind(here: Fleet, scheduler: Process, backlog: int) -> Cost:
    """A backlog in the pool that is at work: each task that ends lets one of them in."""
    here.query("UPDATE task SET pool = 'default' WHERE pool = 'nowhere'")
    here.query("VACUUM ANALYZE task")
    count = "SELECT count(*), extract(epoch FROM clock_timestamp())::float8 FROM attempt"
    wanted = WAVES * here.tasks
    here.trigger("one")  # so that it looks
    ((first, _),) = here.query(count)
    until(lambda: here.query(count)[0][0] > first, "the first of the backlog")
    before, ((first, since),) = _used(here, scheduler), here.query(count)
    until(lambda: here.query(count)[0][0] >= first + wanted, "a part of the backlog")
    after, ((last, now),) = _used(here, scheduler), here.query(count)
    what = f"and {backlog:,} ready, behind a full pool"
    return _cost(what, last - first, now - since, before, after)


def _used(here: Fleet, scheduler: Process) -> tuple[float, float]:
    """CPU seconds so far, of the scheduler and of its sessions."""
    sessions = here.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'tidemill'")
    return _seconds(scheduler.pid), sum(_seconds(pid) for (pid,) in sessions)


def _seconds(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # a client's session, which has ended
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * SECONDS_PER_TICK


def _cost(
    what: str, tasks: int, seconds: float, before: tuple[float, float], after: tuple[float, float]
) -> Cost:
    scheduler, database = (
        1e6 * (now - then) / tasks for then, now in zip(before, after, strict=True)
    )
    return Cost(what, tasks / seconds, scheduler, database)


def _median(costs: list[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.scheduler + cost.database)[len(costs) // 2]
