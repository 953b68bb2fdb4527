"""Reaching the fleet's NATS from a command: short errands. Imported when they are run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from tidemill.app.fleet import Fleet, fleet
from tidemill.broker import subjects
from tidemill.broker.codec import encode
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.log_reader import Piece, read_logs
from tidemill.errors import TidemillError
from tidemill.model.messages import Nudge
from tidemill.ports import UnavailableError
from tidemill.project import Project

__all__ = ["Piece", "access", "nudge", "pieces"]


def access(where: Fleet) -> NatsAccess | None:
    if where.nats is None:
        return None
    return NatsAccess(
        where.nats,
        credentials=_path(where.nats_credentials),
        nkey=_path(where.nats_nkey),
        ca=_path(where.nats_ca),
        certificate=_path(where.nats_certificate),
        key=_path(where.nats_key),
        token=where.nats_token,
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def nudge(project: Project, run: int) -> bool:
    """Tells the schedulers that something changed about a run; False if none could be
    told: they find it by themselves, a little later."""
    found = access(fleet(project))
    if found is None:
        return False
    logging.getLogger("tidemill.broker").setLevel(logging.ERROR)
    try:
        asyncio.run(_nudge(found, run))
    except TidemillError:
        return False
    return True


async def _nudge(found: NatsAccess, run: int) -> None:
    client = await connect(found, "tidemill nudge", brief=True)
    await client.publish(subjects.NUDGE, encode(Nudge(run)))
    await client.flush()
    await client.close()


async def pieces(project: Project, runs: list[int], *, follow: bool) -> AsyncIterator[Piece | None]:
    """The output of runs, as it came; with `follow` also what comes.

    Raises:
        UnavailableError: NATS cannot be reached.
    """
    found = access(fleet(project))
    if found is None:
        raise UnavailableError(
            "the logs of the fleet are in NATS, and it is not said where that is",
            "start `tidemill up` here, or set TIDEMILL_NATS",
        )
    client = await connect(found, "tidemill logs")
    try:
        async for piece in read_logs(client, runs, follow=follow):
            yield piece
    finally:
        await client.close()
