"""Many schedules that are due in the same second, and ticks in which none is.

    PYTHONPATH=tests/support python tests/benchmarks/herd.py [--stored 100000] [--due 10000]
        [--postgres]

One scheduler's turns on a database, without a broker: how long after the due time each run was
made and stored, and its first step ready to be published.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tidelang import codec
from tidelang.definition import Argv, Definition, Schedule, Step
from tidemill.clock import SystemClock
from tidemill.engine.turns import Turns
from tidemill.model import schedules
from tidemill.model.messages import Heartbeat
from tidemill.model.rows import PipelineRow
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres, open_sqlite
from tidemill.store.sql import SqlStore

FAR = 4e9


def fill(store: SqlStore, stored: int, at: float) -> None:
    schedule = Schedule(every=86_400_000, overlap="allow")
    definition = Definition(
        "p", steps=(Step("a", Argv((("lit", "true"),))),), schedules=(schedule,)
    )
    digest, spec = codec.digest(definition), schedules.spec_of(schedule, {})

    def work(tx: Transaction) -> None:
        tx.add_definition(digest, "p", codec.encode(definition), at)
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", at, "me"))
        connection = tx._connection  # type: ignore[attr-defined]  # noqa: SLF001
        text = json.dumps(spec).replace("'", "''")
        for first in range(0, stored, 1000):
            rows = ",".join(
                f"('p', 'i{i}', '{text}', {FAR}, {FAR}, false, 0)"
                for i in range(first, min(first + 1000, stored))
            )
            connection.exec_driver_sql(
                "INSERT INTO schedule (pipeline, identity, spec, next_due, act_at, paused, missed)"
                f" VALUES {rows}".replace("%", "%%")
            )

    store.transact_now(work)


def turns(store: SqlStore, slots: int = 200) -> Turns:
    made = Turns(SystemClock(), run=None, lease=30.0, policy=None)
    beat = Heartbeat("w", "default", slots, ())
    store.transact_now(lambda tx: made.take(tx, [beat]))
    made.kept()
    return made


def idle(store: SqlStore) -> float:
    """Milliseconds of CPU of a tick in which nothing is due."""
    made, costs = turns(store), []
    for _ in range(200):
        made.next_due = 0.0
        begun = time.process_time()
        todo = store.transact_now(lambda tx: made.take(tx, []))
        costs.append(time.process_time() - begun)
        made.kept()
        del todo
    return statistics.median(costs) * 1000


def herd(store: SqlStore, due: int, at: float) -> None:
    """Workers have room for all, so that every first step is offered."""

    def come(tx: Transaction) -> None:
        tx._connection.exec_driver_sql(  # type: ignore[attr-defined]  # noqa: SLF001
            f"UPDATE schedule SET next_due = {at}, act_at = {at} WHERE number <= {due}"
        )

    made = turns(store, 2 * due)
    store.transact_now(come)
    begun, cpu, count = time.perf_counter(), time.process_time(), 0
    runs: dict[int, float] = {}
    steps: list[float] = []
    while len(steps) < due:
        made.next_due = 0.0
        todo = store.transact_now(lambda tx: made.take(tx, []))
        made.kept()
        count += 1
        late = time.perf_counter() - begun
        for run in todo.runs:
            runs.setdefault(run.number, late)
        steps += [late] * len(todo.orders)
    used = time.process_time() - cpu
    print(
        f"  {due} due: lag of a run {percentiles([*runs.values()])}; of its first step"
        f" {percentiles(steps)};"
        f" {count} turns of {used / count * 1000:.0f} ms of CPU, {used / due * 1e6:.0f} us a run"
    )


def percentiles(lags: list[float]) -> str:
    lags = sorted(lags)
    at = {share: lags[min(int(len(lags) * share), len(lags) - 1)] for share in (0.5, 0.99)}
    return f"p50 {at[0.5]:.2f} s, p99 {at[0.99]:.2f} s, last {lags[-1]:.2f} s ({len(lags)})"


def measure(name: str, store: SqlStore, stored: int, due: int) -> None:
    at = time.time() - 1
    fill(store, stored, at)
    print(f"  a tick with nothing due: {idle(store):.2f} ms of CPU ({name})")
    herd(store, due, at)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        for stored, due in ((100, 10), (given.stored, given.due)):
            print(f"{stored} schedules")
            if given.postgres:
                from postgres import Postgres, find

                found = find()
                if found is None:
                    raise SystemExit("PostgreSQL is not installed")
                server = Postgres(found, fsync="on", synchronous_commit="on")
                stack.callback(server.stop)
                store = SqlStore(open_postgres(server.database()))
            else:
                store = SqlStore(open_sqlite(Path(folder) / f"{stored}.db"))
            measure("PostgreSQL" if given.postgres else "SQLite", store, stored, due)


if __name__ == "__main__":
    main()
