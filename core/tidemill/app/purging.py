"""What is kept of the past: what `tidemill.toml`, the environment and options say of it, and
removing the rest, with the files that this machine has of it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tidelang import values
from tidemill.app.configuration import CONFIGURATION, read_table
from tidemill.app.fleet import fleet, writing_store
from tidemill.clock import SystemClock
from tidemill.engine.purging import Keep, Purge, Purged
from tidemill.errors import TidemillError, UsageError
from tidemill.ports import Store
from tidemill.project import Project

__all__ = ["Keep", "Report", "keep", "limits", "purge", "purge_of", "tidy"]

_TABLE = "keep"
_TIDY_SECONDS = 0.5
"""What the end of a run on this machine may take longer for it."""


def keep(project: Project, age: str | None = None, runs: int | None = None) -> Keep:
    """What is in force: options, else the environment, else the file, else everything.

    Raises:
        UsageError: it makes no sense.
    """
    path = project.root / CONFIGURATION
    found: dict[str, Any] = {**read_table(path, _TABLE, ("age", "runs"))}
    where = {name: f"{path}: {_TABLE}.{name}" for name in found}
    for name, given in (("age", age), ("runs", runs)):
        variable = f"TIDEMILL_KEEP_{name.upper()}"
        if os.environ.get(variable):
            found[name], where[name] = os.environ[variable], variable
        if given is not None:
            found[name], where[name] = given, f"--keep-{name}"
    return Keep(
        duration(found["age"], where["age"]) if "age" in found else None,
        _runs(found["runs"], where["runs"]) if "runs" in found else None,
    )


def limits(older_than: str | None, latest: int | None) -> Keep:
    """What was asked for on the command line, and nothing else.

    Raises:
        UsageError: it makes no sense.
    """
    return Keep(None if older_than is None else duration(older_than, "--older-than"), latest)


def duration(value: Any, where: str) -> float:
    """Seconds; `where` is what gave it.

    Raises:
        UsageError: it is none.
    """
    try:
        seconds = int(values.parse_duration(value)) / 1000
    except (ValueError, TypeError, AttributeError):
        seconds = -1.0
    if seconds < 0:
        raise UsageError(
            f"{where} is {value!r}, which is no duration", 'write it as "90d" or "12h"'
        )
    return seconds


def _runs(value: Any, where: str) -> int:
    digits = str(value)
    if isinstance(value, bool) or not (digits.isascii() and digits.isdigit()) or int(digits) < 1:
        raise UsageError(
            f"{where} is {value!r}, which is no number of runs", "it must be 1 or more"
        )
    return int(digits)


def purge_of(project: Project, store: Store, wanted: Keep, clock: SystemClock) -> Purge:
    """Purging of a project's own database, and of the files of its runs."""

    def forget(runs: Iterable[int]) -> None:
        for number in runs:
            shutil.rmtree(project.run_folder(number), ignore_errors=True)

    return Purge(store, clock, wanted, forget)


@dataclass(frozen=True, slots=True)
class Report:
    """`found` is what there would be to remove, by pipeline: runs and tasks."""

    done: Purged
    found: dict[str, tuple[int, int]]


def purge(project: Project, wanted: Keep, postgres: str | None, *, dry: bool) -> Report:
    """Removes what is not to be kept, now and whatever its age.

    Raises:
        TidemillError: the database cannot be used.
    """
    where = fleet(project, postgres=postgres)
    if where.postgres is None and not project.database.exists():
        return Report(Purged(), {})
    store, clock = writing_store(project, where), SystemClock()
    own = purge_of(project, store, wanted, clock)
    work = Purge(store, clock, wanted) if where.postgres else own
    work.young = 0.0

    async def run() -> Report:
        try:
            found = await work.expendable()
            return Report(Purged() if dry else await work.once(), found)
        finally:
            await store.close()

    return asyncio.run(run())


async def tidy(project: Project, store: Store, clock: SystemClock) -> None:
    """At the end of a run on this machine: some of what is to go, if anything is."""
    try:
        wanted = keep(project)
        if not wanted.everything:
            await purge_of(project, store, wanted, clock).once(clock.now() + _TIDY_SECONDS)
    except TidemillError:
        return  # the run has ended as it did; `tidemill db purge` says what is wrong
