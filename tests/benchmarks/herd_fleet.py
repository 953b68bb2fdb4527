"""Ten thousand schedules that are due in the same second, on a fleet of real processes:

    python tests/benchmarks/herd_fleet.py [--stored 100000] [--due 10000] [--schedulers 1]

PostgreSQL as durable as it is by default, NATS with JetStream, schedulers, and a worker that has
room for all and whose steps take no time. How late each first step was published is seen by
somebody else who listens on NATS; how late it was started, and that each run was made once and
succeeded, by the database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
sys.path.insert(0, str(Path(__file__).parent / "fleet"))

import nats
from herd import fill, percentiles
from ours import Fleet
from servers import Process

from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore

AHEAD = 15.0
"""Seconds until they are due, for the processes to start."""

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(process: Process) -> float:
    """Seconds of it."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def published(url: str, due: int, until: float) -> list[float]:
    """When orders came by."""
    seen: list[float] = []
    client = await nats.connect(url)
    coming = await client.subscribe("tide.work.>")
    async with asyncio.timeout(until - time.time()):
        while len(seen) < due:
            await coming.next_msg(timeout=None)
            seen.append(time.time())
    await client.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--schedulers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tide-herd-") as folder:
        here = Fleet(Path(folder), tasks=10)
        try:
            with here.at_work():
                measure(here, given.stored, given.due, given.schedulers)
        finally:
            here.stop()


def measure(here: Fleet, stored: int, due: int, schedulers: int) -> None:
    fill(SqlStore(open_postgres(here.url)), stored, time.time())
    at = time.time() + AHEAD
    here.query(f"UPDATE schedule SET next_due = {at}, act_at = {at} WHERE number <= {due}")
    processes = [here.scheduler() for _ in range(schedulers)]
    here.noop_worker(2 * due)
    time.sleep(max(at - 1 - time.time(), 0))
    before = sum(map(cpu, processes))
    lags = [seen - at for seen in asyncio.run(published(here.nats, due, at + 120))]
    while here.query("SELECT count(*) FROM run WHERE state = 'succeeded'")[0][0] < due:
        time.sleep(0.2)
        if time.time() > at + 300:
            break
    used = sum(map(cpu, processes)) - before
    runs = here.query(
        f"SELECT count(*), count(DISTINCT schedule) FROM run WHERE due_at = {at}"
        " AND state = 'succeeded'"
    )
    begun = here.query("SELECT started_at FROM attempt")
    print(f"runs that succeeded, and schedules of theirs: {runs[0]}")
    print(f"a first step was published late by {percentiles(lags)}")
    print(f"and started late by {percentiles([start - at for (start,) in begun])}")
    print(f"CPU of the schedulers until all had ended: {used:.1f} s")


if __name__ == "__main__":
    main()
