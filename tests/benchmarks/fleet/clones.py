"""Fills the database with runs that look as real ones do, since they are copies of one."""

from __future__ import annotations

import psycopg
from ours import Fleet

TABLES = ("run", "stage", "task", "attempt", "outbox")
OWN = {"run": "number"}
"""The column that holds the run's number, where it is not `run`."""


def ended_tasks(here: Fleet, run: int, wanted: int) -> None:
    """Copies of a run that has ended, until so many tasks are stored."""
    ((stored,),) = here.query("SELECT count(*) FROM task")
    ((size,),) = here.query(f"SELECT size FROM run WHERE number = {run}")
    copies(here, run, max(0, (wanted - stored) // size))


def copies(here: Fleet, run: int, count: int) -> None:
    """So many copies of a run, each with all that belongs to it; then the statistics are
    brought up to date and all is written out, so that no wave pays for it."""
    with psycopg.connect(here.url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET session_replication_role = replica")  # its keys are sound
        ((last,),) = connection.execute(
            "SELECT nextval(pg_get_serial_sequence('run', 'number')) + 1"
        ).fetchall()
        for table in TABLES:
            connection.execute(_copy(connection, table, run, last, count).encode())
        connection.execute(
            "SELECT setval(pg_get_serial_sequence('run', 'number'), %s)", [last + count]
        )
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy(connection: psycopg.Connection, table: str, run: int, last: int, count: int) -> str:
    own = OWN.get(table, "run")
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT column_name::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s AND column_name <> 'seq'"
            " ORDER BY ordinal_position",
            [table],
        )
    ]
    names = ", ".join(columns)
    picked = ", ".join(f"{last} + copy" if name == own else f"row.{name}" for name in columns)
    return (
        f"INSERT INTO {table} ({names}) SELECT {picked} FROM {table} AS row,"
        f" generate_series(1, {count}) AS copy WHERE row.{own} = {run}"
    )
