"""What goes on beside a scheduler's turns, each on a connection of its own, so that no turn waits
for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidemill.app.artifacts import Place
from tidemill.app.collecting import collect_forever
from tidemill.app.fleet import Fleet
from tidemill.app.notifying import delivering
from tidemill.clock import SystemClock
from tidemill.engine.delivery import Delivery
from tidemill.engine.purging import Keep, Purge
from tidemill.plugins import Plugins, load
from tidemill.project import Project
from tidemill.store.database import (
    postgres_engine,
)
from tidemill.store.sql import SqlStore
from tidemill.waiting import end

log = logging.getLogger("tidemill")


@asynccontextmanager
async def purging(purge: Purge) -> AsyncIterator[None]:
    """Removes what is old, on a connection of its own, so that no turn waits for it."""
    work = None if purge.keep.everything else asyncio.create_task(purge.forever())
    try:
        yield
    finally:
        if work is not None:
            await end(work)
        await purge.store.close()


@asynccontextmanager
async def delivering_notices(project: Project, store: SqlStore) -> AsyncIterator[Delivery]:
    """Tells people, on a connection of its own, so that no turn waits for it."""
    try:
        async with delivering(project.root, store, SystemClock()) as delivery:
            yield delivery
    finally:
        await store.close()


@asynccontextmanager
async def collecting(
    project: Project, where: Fleet, place: Place, keep: Keep
) -> AsyncIterator[None]:
    """Where runs are removed, what they alone referred to goes as well, some time later."""
    if keep.everything:
        yield
        return
    work = asyncio.create_task(collect_forever(project, where, place))
    try:
        yield
    finally:
        await end(work)


def installed_plugins() -> Plugins:
    """What is installed. One that has failed might be a policy: nobody can tell."""
    plugins = load()
    for info in plugins.installed():
        if info.failure is not None:
            log.warning("%s; none of its hooks is called", info.failure)
    return plugins


def store_beside(url: str) -> SqlStore:
    return SqlStore(postgres_engine(url), threaded=True)
