"""Delivering notices, with the parts that are installed here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidemill.app.notifiers import InstalledNotifiers
from tidemill.app.secrets import installed_secrets
from tidemill.app.templates import ApartTemplates
from tidemill.engine.delivery import Delivery
from tidemill.ports import Clock, Store
from tidemill.waiting import end


@asynccontextmanager
async def delivering(
    root: Path, store: Store, clock: Clock, family: int | None = None
) -> AsyncIterator[Delivery]:
    """Delivers, of a run and those below it or of all, until it is left."""
    notifiers, secrets = InstalledNotifiers(), installed_secrets(root)
    delivery = Delivery(store, clock, notifiers, secrets, ApartTemplates(), family)
    work = asyncio.create_task(delivery.forever())
    try:
        yield delivery
    finally:
        await end(work)
        await notifiers.close()
        await secrets.close()
