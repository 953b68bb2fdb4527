"""What a turn costs on PostgreSQL depends on what is due, never on what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from postgres import Postgres
from sqlalchemy import Connection

from tidemill.store.batch import fold
from tidemill.store.database import open_postgres
from tidemill.store.statements import Statements

RUNS = 3_000
"""As many as PostgreSQL would rather read one and all than look up a hundred of them."""

FILL = (
    "INSERT INTO version (digest, pipeline, content, created_at) VALUES ('d', 'p', '', 1)",
    (
        "INSERT INTO run (digest, pipeline, file, state, created_at, params, open, failed,"
        " excluded, fresh, detail, size, picked, queued, pooled)"
        " SELECT 'd', 'p', 'f', 'succeeded', 1, '{}', 0,"
        f" 0, '[]', false, '', 5, '[]', false, true FROM generate_series(1, {RUNS})"
    ),
    f"INSERT INTO stage SELECT r, 0, 0, 0, 0, 0, 0, 5 FROM generate_series(1, {RUNS}) r",
    (
        "INSERT INTO task (run, ordinal, step, key, state, fence, attempt, priority, detail, pool,"
        " worker, epoch) SELECT r, o, 0, 'k', 'succeeded', 1, 1, 2, '', 'default', 'w', 'e'"
        f" FROM generate_series(1, {RUNS}) r, generate_series(0, 4) o"
    ),
    f"INSERT INTO duration SELECT 'p' || r, 's', 1, 1, 1 FROM generate_series(1, {RUNS}) r",
    f"UPDATE task SET state = 'ready', run_at = 1 WHERE run > {RUNS - 400}",
    "ANALYZE",
)
REFS = fold([(RUNS, ordinal) for ordinal in range(5)])
HOT: dict[str, dict[str, Any]] = {
    "lock": {"rows": fold([(RUNS,)])},
    "runs": {"rows": fold([(RUNS,)])},
    "tasks": {"rows": REFS},
    "stages": {"rows": fold([(RUNS, 0)])},
    "tasks_of_stages": {"rows": fold([(RUNS, 0)])},
    "outputs": {"rows": fold([(RUNS, 0)])},
    "active": {},
    "due": {"now": 5.0},
    "ready": {"now": 5.0, "limit": 10, "pool": "default", "lane": 0},
    "lines": {},
    "duties": {},
    "next_timer": {},
    "next_ready": {"now": 5.0},
    "at_work": {"rows": fold([("p",)])},
    "waiting_runs": {"pipeline": "p", "state": "pending", "limit": 10},
    "durations": {"rows": fold([("p",)])},
}


@pytest.fixture(scope="module")
def stored(postgres: Postgres) -> Iterator[Connection]:
    engine = open_postgres(postgres.database())
    with engine.connect() as connection:
        for statement in FILL:
            connection.exec_driver_sql(statement)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_reads_no_table_whole(stored: Connection, name: str) -> None:
    prepared = Statements(stored.dialect).prepared(name)
    rows = stored.exec_driver_sql(f"EXPLAIN {prepared.text}", prepared.parameters(HOT[name]))
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
