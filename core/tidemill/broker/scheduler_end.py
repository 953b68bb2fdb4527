"""NATS JetStream as schedulers see it: see `tidemill.ports.SchedulerEnd`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nats.aio.client import Client

from tidemill.broker import streams, subjects
from tidemill.broker.codec import encode
from tidemill.broker.connection import say, settle
from tidemill.broker.declared import Declared
from tidemill.broker.publishing import Answer, Message, Publisher, Refused, Stored, Unanswered
from tidemill.broker.reports import Reports
from tidemill.model.messages import Control, Order, Result, Started
from tidemill.model.rows import TaskRef
from tidemill.ports import Clock, Epoch, Inbox
from tidemill.spi import Reason

log = logging.getLogger(__name__)


class JetStreamSchedulerEnd:
    """Call `open` first, and `reconnected` whenever the client has connected again."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        replicas: int = 1,
        ack_wait: float = streams.ACK_WAIT,
        report_wait: float = streams.REPORT_WAIT,
    ) -> None:
        self._client = client
        self._clock = clock
        self._publisher = Publisher(client)
        self._declared = Declared(client, clock, replicas, ack_wait, report_wait)
        self._reports = Reports(client, clock, self._declared)

    async def open(self) -> None:
        await self._publisher.open()
        await self._declared.declare()
        await self._reports.open()
        await settle(self._client)

    async def reconnected(self) -> None:
        """The server may be another one, and know nothing."""
        self._declared.forget()
        await self._declared.declare()
        self._reports.ask_again()

    # what the engine calls

    async def publish(self, orders: Sequence[Order]) -> None:
        for pool in {order.pool for order in orders if not order.target}:
            await self._declared.ensure_pool(pool)
        messages = {order.claimed: self._message(order) for order in orders}
        limit = self._client.max_payload - streams.SPARE
        for order in orders:
            if len(messages[order.claimed].payload) > limit:
                await self._too_large(order, len(messages.pop(order.claimed).payload), limit)
        await self._deliver(list(messages.values()))

    async def void(
        self, ref: TaskRef, fence: int, pool: str, epoch: str, *, reserved: bool = False
    ) -> bool:
        subject = subjects.begin if reserved else subjects.claim
        claim = Message(
            subject(epoch, pool, ref, fence),
            encode(Started(ref, fence, "", self._clock.now(), reserved)),
            {"Nats-Expected-Last-Subject-Sequence": "0"},
        )
        (answer,) = await self._publisher.publish([claim])
        if isinstance(answer, Unanswered) and answer.no_stream:
            await self._declared.declare()
        return isinstance(answer, Stored)

    def known_epoch(self) -> Epoch:
        return self._declared.known_epoch()

    async def epoch(self) -> Epoch:
        return await self._declared.epoch()

    async def control(self, messages: Sequence[Control]) -> None:
        for message in messages:
            if message.worker:
                await say(self._client, subjects.control(message.worker), encode(message))

    async def inbox(self, until: float | None) -> Inbox:
        found = await self._reports.take(until)
        return Inbox([report for report, _ in found], [message for _, message in found])

    async def confirm(self, inbox: Inbox) -> None:
        await self._reports.confirm(zip(inbox.reports, inbox.tag, strict=True))

    async def close(self) -> None:
        await self._reports.close()

    # publishing

    def _message(self, order: Order) -> Message:
        ref = order.ref
        own, pools = subjects.own_work(order.target), subjects.work(order.pool, order.priority)
        return Message(
            own if order.target else pools,
            encode(order),
            {"Nats-Msg-Id": f"{ref.run}.{ref.ordinal}.{order.fence}"},
        )

    async def _deliver(self, messages: list[Message]) -> None:
        """Tries twice; what is not stored then is offered again when its lease is over."""
        for _ in range(2):
            answers = await self._publisher.publish(messages)
            if any(isinstance(a, Unanswered) and a.no_stream for a in answers):
                await self._declared.declare()
            for answer in answers:
                if isinstance(answer, Refused):
                    log.error("NATS does not take an order: %s", answer.text)
            messages = [m for m, a in zip(messages, answers, strict=True) if _is_open(a)]
            if not messages:
                return
        log.warning("NATS has not confirmed %d orders: they are made again later", len(messages))

    async def _too_large(self, order: Order, size: int, limit: int) -> None:
        """Nobody can carry it: its attempt fails, and says why."""
        log.error("the order for %s is too large for NATS", order.key)
        if not await self.void(order.ref, order.fence, order.pool, order.epoch):
            return
        now = self._clock.now()
        detail = (
            f"its script, variables and values are {size} bytes together, and NATS carries at"
            f" most {limit}: pass large values in files, or raise max_payload of the NATS server"
        )
        reason = Reason.FAILED_TO_START.value
        self._reports.add(Result(order.ref, order.fence, "", now, now, reason, detail=detail), None)


def _is_open(answer: Answer) -> bool:
    return isinstance(answer, Unanswered)
