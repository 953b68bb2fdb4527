"""The output of steps on its way from a worker to the stream of logs: in order, and again
until the server has it.

A step never waits for it. Its result does, so that whoever sees that a step has ended finds
all that it wrote; but not for long, since a log is worth less than a result. A piece whose
answer was lost is stored twice: pieces say where they stand, and readers leave out what they
have had (`tidemill.broker.log_reader`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from itertools import islice

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from tidemill.broker import subjects
from tidemill.broker.publishing import Message, Publisher, Refused, Unanswered
from tidemill.model.messages import Order, Output
from tidemill.model.rows import TaskRef
from tidemill.ports import Clock

log = logging.getLogger(__name__)

KEPT = 8 << 20
"""Bytes of output that wait here to be stored, at most; what comes beyond is left out, and its
readers are told."""

AT_ONCE = 1 << 20
PIECES_AT_ONCE = 1_000
"""Bytes, and pieces, that are sent before the first of them is answered."""

PATIENCE = 10.0
"""Seconds for which the result of a step waits for its output, if nothing is stored."""

RETRY_SECONDS = 0.2

CLOSING = 2.0
"""Seconds that a worker which ends gives to what is not stored yet."""


@dataclass(slots=True)
class _Told:
    """How much of an attempt's output has been told: the last number, and up to which byte."""

    attempt: int
    fence: int
    number: int = 0
    upto: int = 0


class OutputSender:
    """Of one worker. Call `open` first."""

    def __init__(
        self, client: Client, publisher: Publisher, clock: Clock, worker: str, pool: str
    ) -> None:
        self._client = client
        self._publisher = publisher
        self._clock = clock
        self._worker = worker
        self._pool = pool
        self._told: dict[TaskRef, _Told] = {}
        self._waiting: deque[Message] = deque()
        self._size = 0
        """Bytes of what waits."""
        self._came = asyncio.Event()
        self._added = self._gone = 0
        """Pieces that there were, and those of them that wait no more."""
        self._moved = asyncio.Event()
        self._stuck_since: float | None = None
        self._sending: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._sending = asyncio.get_running_loop().create_task(self._send())

    def emit(self, output: Output) -> None:
        """Never waits, and never fails."""
        ref = TaskRef(output.run, output.ordinal)
        told = self._told.get(ref)
        if told is None or (told.attempt, told.fence) != (output.attempt, output.fence):
            told = self._told[ref] = _Told(output.attempt, output.fence)
        told.number += 1
        told.upto = output.at + output.size
        if self._size <= KEPT:
            self._add(ref, told, output.text, output.size)

    async def end(self, ref: TaskRef) -> None:
        """There is no more of it; whoever reads it then knows how much there was. Returns when
        all is stored, or nothing has been for too long."""
        told = self._told.pop(ref, None)
        if told is not None:
            told.number += 1
            self._add(ref, told, "", 0)
            await self._until_gone(PATIENCE)

    async def told(self, order: Order) -> int:
        """Up to which byte the output of an attempt is stored; the rest comes again."""
        told = self._told[order.ref] = _Told(order.attempt, order.fence)
        subject = subjects.log(self._pool, order.ref, order.attempt, self._worker)
        try:
            jetstream = self._client.jetstream()
            found = await jetstream.get_last_msg(subjects.LOGS, subject, direct=True)
            last = json.loads(found.data or b"{}")
            if last.get("fence") == order.fence:
                told.number, told.upto = int(last["number"]), int(last["at"]) + int(last["size"])
        except (NatsError, JetStreamError, ValueError, LookupError, TypeError) as error:
            # Then all of it is told again, and those who have read it leave it out.
            log.info("NATS does not say how much output of %s is there: %s", order.key, error)
        return told.upto

    async def close(self) -> None:
        await self._until_gone(CLOSING)
        if self._sending is not None:
            self._sending.cancel()

    # inside

    def _add(self, ref: TaskRef, told: _Told, text: str, size: int) -> None:
        """Where a piece stands in the output lets readers leave out what they know: a worker
        that has taken a step back may tell some of it again."""
        piece = {
            "number": told.number,
            "fence": told.fence,
            "at": told.upto - size,
            "size": size,
            "text": text,
        }
        subject = subjects.log(self._pool, ref, told.attempt, self._worker)
        message = Message(subject, json.dumps(piece).encode())
        self._waiting.append(message)
        self._size += len(message.payload)
        self._added += 1
        self._came.set()

    async def _until_gone(self, patience: float) -> None:
        """Until what waits now does no more, or nothing has been stored for so many seconds."""
        upto = self._added
        while self._gone < upto:
            now = self._clock.now()
            left = (self._stuck_since or now) + patience - now
            if left <= 0:
                return
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), left)
            except TimeoutError:
                return

    async def _send(self) -> None:
        while True:
            self._came.clear()
            while self._waiting:
                if not self._client.is_connected or not await self._send_some():
                    self._stuck_since = self._stuck_since or self._clock.now()
                    await asyncio.sleep(RETRY_SECONDS)
            await self._came.wait()

    async def _send_some(self) -> bool:
        """Whether the server has answered to the first of what waits. From the first one
        without an answer on all comes again, in order."""
        messages = self._first()
        gone = 0
        for message, answer in zip(messages, await self._publisher.publish(messages), strict=True):
            if isinstance(answer, Unanswered):
                break
            if isinstance(answer, Refused):
                log.warning("NATS: output is lost: %s", answer.text)
            self._size -= len(message.payload)
            gone += 1
        for _ in range(gone):
            self._waiting.popleft()
        if gone:
            self._gone += gone
            self._stuck_since = None
            self._moved.set()
        return gone > 0

    def _first(self) -> list[Message]:
        size = 0
        messages: list[Message] = []
        for message in islice(self._waiting, PIECES_AT_ONCE):
            size += len(message.payload)
            if messages and size > AT_ONCE:
                break
            messages.append(message)
        return messages
