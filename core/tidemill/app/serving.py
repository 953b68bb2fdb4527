"""The database of a server, which answers others than the schedulers."""

from __future__ import annotations

from tidemill.app.fleet import Fleet
from tidemill.project import Project
from tidemill.store.database import open_postgres, open_sqlite
from tidemill.store.sql import SqlStore


def store_of(project: Project, where: Fleet) -> SqlStore:
    """On a thread of its own, so that no answer waits for another one's transaction.

    Raises:
        TidemillError: it cannot be used.
    """
    if where.postgres is not None:
        return SqlStore(open_postgres(where.postgres), threaded=True)
    return SqlStore(open_sqlite(project.database), threaded=True)
