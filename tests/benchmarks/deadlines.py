"""What deadlines that are set cost a turn in which none passes.

    python tests/benchmarks/deadlines.py                    on SQLite
    python tests/benchmarks/deadlines.py postgresql://…     on a PostgreSQL that is empty

So many alarms are set; then it is timed how long a transaction takes that asks for those that
are due (none), and for the next timer, as a scheduler does whose timer has passed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tidemill.model.rows import WHOLE, AlarmRow, RunRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres, open_sqlite, upgrade_postgres
from tidemill.store.sql import SqlStore

SIZES = (100, 1_000, 10_000, 100_000)
TURNS = 500
BATCH = 1_000
LATER = 2e9
RUN = RunRow(0, "d", "p", "p.tide", RunState.RUNNING, 1.0, pooled=True)


def fill(store: SqlStore, run: int, first: int, last: int) -> None:
    for start in range(first, last, BATCH):
        rows = [
            AlarmRow(run, ordinal, "missed", LATER + ordinal, pooled=True)
            for ordinal in range(start, min(start + BATCH, last))
        ]
        store.transact_now(lambda tx, rows=rows: tx.set_alarms(rows))


def turn(store: SqlStore) -> float:
    begun = time.perf_counter()
    due, _ = store.transact_now(lambda tx: (tx.due_alarms(1e9, 200), tx.next_due(1e9)))
    assert not due
    return time.perf_counter() - begun


def main(url: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if url is not None:
            upgrade_postgres(url)
        engine = open_sqlite(Path(folder, "db")) if url is None else open_postgres(url)
        store = SqlStore(engine)

        def make(tx: Transaction) -> int:
            tx.add_definition("d", "p", b"{}", 1.0)
            return tx.new_runs([RUN])[0]

        run, there = store.transact_now(make), WHOLE
        for size in SIZES:
            fill(store, run, there, size + WHOLE)
            there = size + WHOLE
            times = [turn(store) for _ in range(TURNS)]
            print(f"{size:>8} deadlines set: {statistics.median(times) * 1e6:6.0f} µs a turn")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
