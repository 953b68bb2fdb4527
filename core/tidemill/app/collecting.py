"""What is kept of artifacts, and collecting the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from tidemill.app.artifacts import Place, open_store, place
from tidemill.app.fleet import Fleet, fleet, told_by_up
from tidemill.app.purging import duration
from tidemill.broker.object_store import NatsStore
from tidemill.clock import SystemClock
from tidemill.engine.collecting import Collect, Collected
from tidemill.errors import TidemillError, UsageError
from tidemill.model import artifact_keys as keys
from tidemill.ports import Store
from tidemill.project import Project
from tidemill.spi import ArtifactError, ArtifactStore
from tidemill.store.database import open_postgres, open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.waiting import sleep

__all__ = ["Collected", "Stock", "collect_forever", "gc", "stock"]

T = TypeVar("T")

log = logging.getLogger("tidemill")

AGE = 86_400.0
"""Seconds for which nothing is collected, by default: longer than any outage after which the
news of a stored file may still come."""

RESULTS_AGE = 30 * 86_400.0
"""Seconds for which the result of a cached step is kept that nobody uses."""

EVERY = 6 * 3600.0
"""Seconds between two times that a scheduler collects by itself."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What is there: how many, and their bytes."""

    address: str
    artifacts: int
    artifact_bytes: int
    results: int
    result_bytes: int


def stock(project: Project, option: str | None) -> Stock:
    """Raises:
    TidemillError: the store cannot be reached.
    """
    where = fleet(project)
    found = place(project, where, option)

    async def count() -> Stock:
        store = open_store(found, project, where)
        try:
            artifacts = await _count(store, keys.ARTIFACTS)
            return Stock(found.shown(), *artifacts, *await _count(store, keys.RESULTS))
        finally:
            await store.close()

    return _run(count())


async def _count(store: ArtifactStore, prefix: str) -> tuple[int, int]:
    number = size = 0
    async for found in store.list(prefix):
        number, size = number + 1, size + found.size
    return number, size


def gc(
    project: Project,
    option: str | None,
    postgres: str | None,
    *,
    older_than: str | None,
    results_older_than: str | None,
    dry: bool,
) -> Collected:
    """Removes what nobody refers to.

    Raises:
        TidemillError: a bound makes no sense, it is not known who refers to what, or the
            store or a database cannot be used.
    """
    age = AGE if older_than is None else duration(older_than, "--older-than")
    of_results = RESULTS_AGE
    if results_older_than is not None:
        of_results = duration(results_older_than, "--results-older-than")
    for bound, name in ((age, "--older-than"), (of_results, "--results-older-than")):
        if bound < keys.LEAST_AGE:
            least = f"{keys.LEAST_AGE / 3600:g}h"
            raise UsageError(
                f"{name} is less than {least}",
                "what is younger may belong to a step whose end is not known yet",
            )
    where = fleet(project, postgres=postgres)
    found = place(project, where, option)
    _require_references(project, where, found)
    return _run(collect(project, where, found, age, of_results, dry=dry))


def _require_references(project: Project, where: Fleet, found: Place) -> None:
    """A laptop that knows the fleet's artifacts, but not its runs, must not take them all for
    unused."""
    if found.own or where.postgres:
        return
    up = told_by_up(project)
    if not up or up.get("artifacts") != found.address:
        raise UsageError(
            f"the fleet's database alone knows which runs use what is in {found.shown()}",
            "--postgres URL, or TIDEMILL_POSTGRES",
        )


async def collect(
    project: Project, where: Fleet, found: Place, age: float, results_age: float, *, dry: bool
) -> Collected:
    """Raises:
    ArtifactError: the store cannot be used.
    TidemillError: a database cannot be used.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = open_store(found, project, where)
        stack.push_async_callback(store.close)
        databases = await asyncio.to_thread(_databases, project, where, found)
        for database in databases:
            stack.push_async_callback(database.close)
        done = await Collect(store, databases, clock, age, results_age, dry).once()
        if isinstance(store, NatsStore) and not dry:
            await store.sweep(clock.now() - age)
        return done


def _databases(project: Project, where: Fleet, found: Place) -> Sequence[Store]:
    """All whose runs may refer to it: runs of this machine have their files in its folder,
    whatever else `tidemill up` has."""
    databases = []
    if where.postgres:
        databases.append(SqlStore(open_postgres(where.postgres), threaded=True))
    if project.database.exists() and (found.own or not where.postgres):
        databases.append(SqlStore(open_sqlite(project.database), threaded=True))
    return databases


async def collect_forever(project: Project, where: Fleet, found: Place) -> None:
    """Beside schedulers, some of which may do the same."""
    clock = SystemClock()
    while True:
        await sleep(clock, EVERY)
        try:
            done = await collect(project, where, found, AGE, RESULTS_AGE, dry=False)
        except (ArtifactError, TidemillError) as error:
            log.warning("artifacts cannot be collected: %s", error)
        else:
            log.info("collected %d artifacts (%d bytes)", done.objects, done.bytes)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except ArtifactError as error:
        raise TidemillError(f"artifacts: {error}") from None
