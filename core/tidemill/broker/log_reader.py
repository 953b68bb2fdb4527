"""Reading the output of steps out of the stream of logs, live or afterwards.

Each piece of an attempt has a number; a reader is told how many are missing before the one
it gets, whoever lost them: a worker, a connection, a limit, the server. When the output has
ended one more number comes, without text, so that what is missing at the end is told, too.
A piece also says where in the output it stands: a worker that was killed and has taken its
step back begins where it knows that it was heard, and what a reader has had is left out.

What is only lost on its way from the server to us is read again: the consumer numbers what
it sends, and where a number or the consumer itself is missing, another one goes on behind
the last message that came.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from tidemill.broker import subjects
from tidemill.broker.pulling import Pull
from tidemill.model.rows import TaskRef
from tidemill.ports import UnavailableError

log = logging.getLogger(__name__)

BATCH = 500
WAIT_SECONDS = 1.0
FORGOTTEN_AFTER = 30.0
"""Seconds after which the server forgets a reader that asks no more."""

PATIENCE = 10.0
"""Seconds for which a server that has gone is waited for; for ever by who follows."""


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
    it, None says that there is nothing more for now.

    Raises:
        UnavailableError: the stream is not there, or its server has gone.
    """
    place, seen = _Place(client, runs, follow=follow), _Seen()
    await place.find()
    try:
        while True:
            messages = await place.more()
            for message in messages:
                if piece := seen.piece(message):
                    yield piece
            if place.quiet and follow:
                yield None
            elif place.at_end and not follow:
                return
    finally:
        await place.leave()


class _Place:
    """Where in the stream a reader is. Call `find` first."""

    def __init__(self, client: Client, runs: Sequence[int], *, follow: bool) -> None:
        self._client = client
        self._filters = [subjects.logs_of(run) for run in runs]
        self._follow = follow
        self._arrived: list[Msg] = []
        self._pull: Pull | None = None
        self._consumer = ""
        self._connection = -1
        self._stream = ""
        self._last = 0
        self._next = 1
        self._pending = 0
        self.quiet = False
        """Whether one has just looked, and there was nothing."""

    @property
    def at_end(self) -> bool:
        """Whether all that was there has come."""
        return self._pull is not None and self._pending == 0

    async def more(self) -> list[Msg]:
        """What has come, without a hole; none where nothing has, for a while."""
        self.quiet = False
        if self._connection != self._client.stats["reconnects"]:
            await self.leave()  # what was on its way to us is lost
        if self._pull is None:
            await self.find()
        if self._pull is None:
            return []
        await self._pull.ask(BATCH, WAIT_SECONDS if self._follow else None)
        await self._some(self._pull)
        arrived, self._arrived[:] = list(self._arrived), []
        messages = self._without_hole(arrived)
        if self._pull.no_consumer or len(messages) < len(arrived) or self._stuck(messages):
            await self.leave()
        else:
            self.quiet = not messages
        return messages

    def _stuck(self, messages: list[Msg]) -> bool:
        """There is more, and it does not come: it was sent, and lost."""
        pull = self._pull
        return not messages and self._pending > 0 and pull is not None and pull.ended.is_set()

    def _without_hole(self, arrived: list[Msg]) -> list[Msg]:
        messages = []
        for message in arrived:
            metadata = message.metadata
            if metadata.consumer != self._consumer:
                continue  # it was asked for before, and is read again
            if metadata.sequence.consumer != self._next:
                break
            self._next += 1
            self._last, self._pending = metadata.sequence.stream, metadata.num_pending
            messages.append(message)
        return messages

    async def _some(self, pull: Pull) -> None:
        """Until the pull has ended; a little of it is enough where somebody watches."""
        while not pull.ended.is_set():
            try:
                await asyncio.wait_for(pull.ended.wait(), 0.05)
            except TimeoutError:
                if self._arrived:
                    return

    async def find(self) -> None:
        """Who follows may try for ever, a little later each time.

        Raises:
            UnavailableError: there never was a stream, or its server has gone.
        """
        until = asyncio.get_running_loop().time() + (WAIT_SECONDS if self._follow else PATIENCE)
        while self._pull is None:
            try:
                await self._find_now()
            except UnavailableError as error:
                if not self._stream and isinstance(error.__cause__, NotFoundError):
                    raise
                if asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(0.2)
                elif self._follow:
                    log.warning("%s", error)
                    return
                else:
                    raise

    async def _find_now(self) -> None:
        """Begins behind the last message that came, or with the first of a new stream."""
        connection = self._client.stats["reconnects"]
        try:
            stream = await self._client.jetstream().stream_info(subjects.LOGS)
            if str(stream.created) != self._stream:
                self._stream, self._last = str(stream.created), 0
            info = await self._client.jetstream().add_consumer(subjects.LOGS, self._config())
        except (NatsError, JetStreamError, TimeoutError) as error:
            raise UnavailableError(
                f"the logs cannot be read: {error}", "is a scheduler up?"
            ) from error
        self._arrived.clear()
        self._consumer, self._next, self._pending = info.name, 1, info.num_pending or 0
        pull = Pull(self._client, subjects.LOGS, info.name, self._arrived.append)
        await pull.open()
        self._pull, self._connection = pull, connection

    def _config(self) -> ConsumerConfig:
        behind = {
            "deliver_policy": DeliverPolicy.BY_START_SEQUENCE,
            "opt_start_seq": self._last + 1,
        }
        start = behind if self._last else {"deliver_policy": DeliverPolicy.ALL}
        return ConsumerConfig(
            filter_subjects=self._filters,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=FORGOTTEN_AFTER,
            mem_storage=True,
            **start,
        )

    async def leave(self) -> None:
        pull, self._pull = self._pull, None
        if pull is not None:
            await pull.close()


class _Seen:
    """Of each attempt's output on each worker, by its fence: the last number, and up to
    which byte."""

    def __init__(self) -> None:
        self._last: dict[tuple[TaskRef, int, str, int], tuple[int, int]] = {}

    def piece(self, message: Msg) -> Piece | None:
        """What is to be shown of a message, if anything."""
        _, _, _, run, ordinal, attempt, worker = message.subject.split(".")
        ref = TaskRef(int(run), int(ordinal))
        try:
            found = json.loads(message.data)
            number, text = int(found["number"]), str(found["text"])
            fence, at, size = (int(found.get(name, 0)) for name in ("fence", "at", "size"))
        except (ValueError, KeyError, TypeError):
            return Piece(ref, int(attempt), "[tidemill: a piece of output that cannot be read]\n")
        name = (ref, int(attempt), worker, fence)
        last, upto = self._last.get(name, (0, 0))
        missing = number - 1 - (last if last < number else 0)
        if fence and at <= upto:  # with the next byte, or told again, some of it or all
            missing, text = 0, _behind(text, upto - at)
        elif fence:  # where two processes have told it, the numbers are not those of one
            missing = max(missing, 1)
        self._last[name] = number, max(at + size, upto)
        return Piece(ref, int(attempt), text, missing) if text or missing else None


def _behind(text: str, known: int) -> str:
    return text.encode()[known:].decode("utf-8", "replace") if known else text
