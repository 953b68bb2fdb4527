"""Reading the output of steps out of the stream of logs, live or afterwards.

Each piece of an attempt has a number; a reader is told how many are missing before the one
it gets, whoever lost them: a connection, a limit, the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError

from tidemill.broker import subjects
from tidemill.broker.pulling import Pull
from tidemill.model.rows import TaskRef
from tidemill.ports import UnavailableError

BATCH = 500
WAIT_SECONDS = 1.0
FORGOTTEN_AFTER = 30.0
"""Seconds after which the server forgets a reader that asks no more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of output, and how many before it are missing."""

    ref: TaskRef
    attempt: int
    text: str
    missing: int = 0


async def read_logs(
    client: Client, runs: Sequence[int], *, follow: bool
) -> AsyncIterator[Piece | None]:
    """In the order in which it came. Without `follow` it ends with what there is now; with
    it, None says that nothing has come for a while.

    Raises:
        UnavailableError: the stream is not there.
    """
    arrived: list[Msg] = []
    try:
        info = await client.jetstream().add_consumer(
            subjects.LOGS,
            ConsumerConfig(
                filter_subjects=[subjects.logs_of(run) for run in runs],
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.NONE,
                inactive_threshold=FORGOTTEN_AFTER,
                mem_storage=True,
            ),
        )
    except (NatsError, JetStreamError) as error:
        raise UnavailableError(f"the logs cannot be read: {error}", "is a scheduler up?") from None
    pull = Pull(client, subjects.LOGS, info.name, arrived.append)
    await pull.open()
    seen: dict[tuple[TaskRef, int, str], int] = {}
    try:
        while True:
            await pull.ask(BATCH, WAIT_SECONDS if follow else None)
            await _some(pull, arrived)
            messages, arrived[:] = list(arrived), []
            for message in messages:
                yield _piece(message, seen)
            if not messages and pull.ended.is_set():
                if not follow:
                    return
                yield None
    finally:
        await pull.close()


async def _some(pull: Pull, arrived: list[Msg]) -> None:
    """Until the pull has ended; a little of it is enough where somebody watches."""
    while not pull.ended.is_set():
        try:
            await asyncio.wait_for(pull.ended.wait(), 0.05)
        except TimeoutError:
            if arrived and len(arrived) >= BATCH:
                return
            if arrived:
                pull.forget()


def _piece(message: Msg, seen: dict[tuple[TaskRef, int, str], int]) -> Piece:
    _, _, _, run, ordinal, attempt, worker = message.subject.split(".")
    ref, number = TaskRef(int(run), int(ordinal)), 0
    try:
        found = json.loads(message.data)
        number, text = int(found["number"]), str(found["text"])
    except (ValueError, KeyError, TypeError):
        text = "[tidemill: a piece of output that cannot be read]\n"
    key = (ref, int(attempt), worker)
    missing = max(number - seen.get(key, 0) - 1, 0)
    seen[key] = max(number, seen.get(key, 0))
    return Piece(ref, int(attempt), text, missing)
