"""NATS JetStream as a worker sees it: see `tidemill.ports.WorkerEnd`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from tidemill.broker import subjects
from tidemill.broker.codec import NotUnderstoodError, decode, encode
from tidemill.broker.connection import settle
from tidemill.broker.output_sender import OutputSender
from tidemill.broker.own_queue import OwnQueue
from tidemill.broker.publishing import Message, Publisher, Refused, Stored
from tidemill.broker.queues import PoolQueues
from tidemill.model.clock_ahead import ClockAhead
from tidemill.model.messages import (
    Control,
    Heartbeat,
    Nudge,
    Order,
    Output,
    Report,
    Result,
    Started,
)
from tidemill.ports import Clock, Delivery
from tidemill.spi import Reason

log = logging.getLogger(__name__)

CLAIM_TRIES = 4
"""How often a claim without an answer is asked for; then another worker may have it."""

LOOKS, LOOK_SECONDS = 10, 0.2
"""How often one looks whose claim it is that stands there, and the pause in between."""

RETRY_SECONDS = 0.5
"""Between two tries to store a result."""

SPARE = 4096

_CONTROL = cast("type[Control]", Control)


class JetStreamWorkerEnd:
    """Call `open` first, and `reconnected` whenever the client has connected again."""

    def __init__(self, client: Client, clock: Clock, worker: str, pool: str) -> None:
        self._client = client
        self._jetstream = client.jetstream()
        self._clock = clock
        self._worker = worker
        self._pool = pool
        self._publisher = Publisher(client)
        self._queues: dict[str, PoolQueues] = {}
        self._own: OwnQueue | None = None
        self._answers = ""
        self._beats = 0
        self._sent: dict[str, float] = {}
        self._contact = clock.now()
        self._ahead = ClockAhead()
        self._controls: list[Control] = []
        self._told_something = asyncio.Event()
        self._output = OutputSender(client, self._publisher, clock, worker, pool)

    async def open(self) -> None:
        await self._publisher.open()
        self._answers = self._client.new_inbox()
        await self._client.subscribe(f"{self._answers}.*", cb=self._confirmed)
        await self._client.subscribe(subjects.control(self._worker), cb=self._told)
        await settle(self._client)
        self._output.open()

    async def reconnected(self) -> None:
        for queues in self._queues.values():
            queues.forget()
        if self._own is not None:
            self._own.forget()

    # what the engine calls

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        queues = self._queues.get(pool)
        if queues is None:
            queues = self._queues[pool] = PoolQueues(self._client, pool)
            await queues.open()
        while True:
            if deliveries := await self._read(await queues.take(slots)):
                return deliveries

    async def take_own(self, worker: str) -> list[Delivery]:
        if self._own is None:
            self._own = OwnQueue(self._client, worker)
            await self._own.open()
        while True:
            if deliveries := await self._read(await self._own.take()):
                return deliveries

    async def _read(self, messages: Sequence[Msg]) -> list[Delivery]:
        deliveries = []
        for message in messages:
            try:
                deliveries.append(Delivery(decode(Order, message.data), message))
            except NotUnderstoodError as error:
                log.error("NATS: %s on %s", error, message.subject)
                await message.term()
        return deliveries

    async def claim(self, order: Order, worker: str, at: float) -> bool:
        subject = subjects.claim(order.epoch, order.pool, order.ref, order.fence)
        reserved = order.start_at is not None
        return await self._claim(
            subject, Started(order.ref, order.fence, worker, at, reserved), order
        )

    async def begin(self, order: Order, worker: str, at: float) -> bool:
        subject = subjects.begin(order.epoch, order.pool, order.ref, order.fence)
        return await self._claim(subject, Started(order.ref, order.fence, worker, at), order)

    async def _claim(self, subject: str, started: Started, order: Order) -> bool:
        claim = Message(subject, encode(started), {"Nats-Expected-Last-Subject-Sequence": "0"})
        for tried in range(CLAIM_TRIES):
            (answer,) = await self._publisher.publish([claim])
            if isinstance(answer, Stored):
                return True
            if isinstance(answer, Refused):
                return answer.conflict and tried > 0 and await self._is_this(subject, started)
        log.warning("NATS has not confirmed the claim of %s", order.key)
        return False

    async def acknowledge(self, delivery: Delivery) -> None:
        try:
            await self._client.publish(delivery.tag.reply, b"+ACK")
        except NatsError as error:
            log.warning("NATS: %s", error)  # it comes again, and its claim fails

    async def report(self, report: Report) -> None:
        if isinstance(report, Heartbeat):
            await self._beat(report)
        elif isinstance(report, Nudge):
            await self._client.publish(subjects.NUDGE, encode(report))
        elif isinstance(report, Result):
            await self._store(report)
        else:
            raise TypeError(f"a worker reports no {type(report).__name__}")

    async def controls(self) -> Sequence[Control]:
        await self._told_something.wait()
        self._told_something.clear()
        messages, self._controls = self._controls, []
        return messages

    def last_contact(self) -> float:
        return self._contact

    def clock_ahead(self) -> float | None:
        return self._ahead.seconds

    def emit(self, output: Output) -> None:
        self._output.emit(output)

    async def told(self, order: Order) -> int:
        return await self._output.told(order)

    async def close(self) -> None:
        await self._output.close()
        for queues in self._queues.values():
            await queues.close()
        if self._own is not None:
            await self._own.close()

    # inside

    async def _is_this(self, subject: str, started: Started) -> bool:
        """Whether an earlier try, whose answer was lost, has won the claim. Not just any
        claim of ours: the order may have come twice. That there is one is certain: a server
        that does not know it is behind the others, and is asked again."""
        for _ in range(LOOKS):
            try:
                found = await self._jetstream.get_last_msg(subjects.CLAIMS, subject, direct=True)
                return decode(Started, found.data or b"") == started
            except NotUnderstoodError:
                return False
            except (NatsError, JetStreamError):
                await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _store(self, result: Result) -> None:
        """Until it is stored, however long that takes."""
        await self._output.end(result.ref)
        message = self._result_message(result)
        while True:
            (answer,) = await self._publisher.publish([message])
            if isinstance(answer, Stored):
                return
            why = answer.text if isinstance(answer, Refused) else "no answer"
            log.warning("NATS has not stored a result (%s): trying again", why)
            await asyncio.sleep(RETRY_SECONDS)

    def _result_message(self, result: Result) -> Message:
        subject = subjects.result(self._pool, self._worker)
        payload, limit = encode(result), self._client.max_payload - SPARE
        if len(payload) > limit:
            detail = f"its outputs are {len(payload)} bytes, and NATS carries at most {limit}"
            payload = encode(
                Result(
                    result.ref,
                    result.fence,
                    result.worker,
                    result.started_at,
                    result.ended_at,
                    Reason.BAD_OUTPUT.value,
                    detail=f"{detail}: put large ones into files",
                )
            )
        return Message(subject, payload)

    async def _beat(self, beat: Heartbeat) -> None:
        self._beats += 1
        number = str(self._beats)
        self._sent[number] = self._clock.now()
        for old in list(self._sent)[:-100]:
            del self._sent[old]
        subject = subjects.heartbeat(beat.pool, beat.worker)
        try:
            await self._client.publish(subject, encode(beat), f"{self._answers}.{number}")
        except NatsError as error:
            log.warning("NATS: %s", error)

    async def _confirmed(self, message: Msg) -> None:
        if message.headers:
            return  # nobody is there: a status, not an answer
        sent = self._sent.pop(message.subject.rpartition(".")[2], None)
        if sent is not None:
            self._contact = max(self._contact, sent)
        try:
            self._ahead.heard(float(message.data), self._clock.now())
        except ValueError:
            log.debug("a scheduler of an older release answers without its time")

    async def _told(self, message: Msg) -> None:
        try:
            self._controls.append(decode(_CONTROL, message.data))
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)
        self._told_something.set()
