"""Where the fleet is: what `tidemill.toml`, the environment and options say of its database
and its NATS; the stores and connections that follow from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tidemill.app.configuration import CONFIGURATION, read_table
from tidemill.errors import UsageError
from tidemill.project import Project
from tidemill.store.database import (
    open_postgres,
    open_sqlite,
    open_sqlite_readonly,
    upgrade_postgres,
)
from tidemill.store.history import SqlHistory
from tidemill.store.migrations import HEAD
from tidemill.store.replica import ReplicaHistory
from tidemill.store.sql import SqlStore

_TABLE = "fleet"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is configured; None where nothing is. Each is a key of the table `fleet` in
    `tidemill.toml`, and a variable `TIDEMILL_…`. `replica` is a database for reading."""

    postgres: str | None = field(default=None, repr=False)
    replica: str | None = field(default=None, repr=False)
    nats: str | None = field(default=None, repr=False)
    nats_credentials: str | None = None
    nats_nkey: str | None = None
    nats_ca: str | None = None
    nats_certificate: str | None = None
    nats_key: str | None = None
    nats_token: str | None = field(default=None, repr=False)


NAMES = tuple(item.name for item in fields(Fleet))


def fleet(project: Project, **options: str | None) -> Fleet:
    """What is in force: options, else the environment, else the file.

    Raises:
        UsageError: the file cannot be read, or has a key that means nothing.
    """
    if project.local:
        return Fleet()
    given: dict[str, str] = dict(_from_file(project.root / CONFIGURATION))
    if "nats" not in given and (here := _from_up(project)):
        given |= here
    given |= {
        name: value for name in NAMES if (value := os.environ.get(f"TIDEMILL_{name.upper()}"))
    }
    if options.get("nats") or os.environ.get("TIDEMILL_NATS"):
        given.pop("nats_token", None)  # it was for another server
    given |= {name: value for name, value in options.items() if value}
    return Fleet(**given)


def _from_file(path: Path) -> Mapping[str, str]:
    found = read_table(path, _TABLE, NAMES)
    for name, value in found.items():
        if not isinstance(value, str):
            raise UsageError(f"{path}: {name} is no text", f'write it as {name} = "…"')
    return found


def _from_up(project: Project) -> dict[str, str]:
    found = told_by_up(project)
    return {name: str(found[name]) for name in NAMES if found.get(name)}


def told_by_up(project: Project) -> Mapping[str, Any]:
    """What `tidemill up` has started here, if it still runs."""
    try:
        found: dict[str, Any] = json.loads(project.up.read_text("utf-8"))
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return {}
    return found


def writing_store(project: Project, where: Fleet | None = None) -> SqlStore:
    """Raises:
    TidemillError: the database cannot be used.
    """
    where = where or fleet(project)
    if where.postgres:
        return SqlStore(open_postgres(where.postgres))
    _needs_more_than_a_replica(where)
    return SqlStore(open_sqlite(project.database))


def _needs_more_than_a_replica(where: Fleet) -> None:
    if where.replica:
        raise UsageError(
            "only a replica of the database is configured, which can but be read",
            "set TIDEMILL_POSTGRES too, or look at this project alone: tidemill --local …",
        )


def nobody(_: str) -> None:
    """Who is told, where nobody is."""


def past(
    project: Project, tell: Callable[[str], None], *, replica: bool = True
) -> SqlHistory | None:
    """The database to look at; None where there is none yet. `tell` is told what a person
    should know of it. Without `replica` it is the one that is written to.

    Raises:
        NoSchemaError: it is empty.
        TidemillError: it cannot be read.
    """
    where = fleet(project)
    if where.replica and replica:
        return ReplicaHistory(where.replica, where.postgres, tell)
    if where.postgres:
        return SqlHistory(open_postgres(where.postgres, readonly=True))
    _needs_more_than_a_replica(where)
    if not project.database.exists():
        return None
    return SqlHistory(open_sqlite_readonly(project.database))


def upgrade_database(url: str) -> str:
    """Gives the fleet's database its tables, and says what was done.

    Raises:
        TidemillError: it cannot be used, or is newer than this version.
    """
    before = upgrade_postgres(url)
    if before == HEAD:
        return f"the database is at schema {HEAD}: nothing was to be done"
    was = f"from schema {before}" if before else "from nothing"
    return f"the database was brought {was} to schema {HEAD}"
