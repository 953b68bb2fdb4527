"""NATS JetStream as schedulers see it: see `tidemill.ports.SchedulerEnd`."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from tidemill.broker import streams, subjects
from tidemill.broker.codec import NotUnderstoodError, decode, encode
from tidemill.broker.connection import settle
from tidemill.broker.publishing import Answer, Message, Publisher, Refused, Stored, Unanswered
from tidemill.broker.pulling import Pull
from tidemill.model.messages import (
    Arrived,
    Control,
    Heartbeat,
    Nudge,
    Order,
    Report,
    Result,
    Started,
    Voided,
)
from tidemill.model.rows import TaskRef
from tidemill.model.triggers import PayloadError, key_of, payload
from tidemill.ports import Clock, Epoch, Inbox
from tidemill.spi import Reason

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 1000
"""Reports that are asked for at a time."""

FULL = 5000
"""Reports that wait here, at most, before more are asked for."""

PULL_SECONDS = 5.0

ASK_SECONDS = 1.0
"""How long an answer about streams is waited for. A cluster without a leader gives none, and
one in which two declare the same at once leaves one of them without: the next question is
answered, while this one keeps all that the scheduler has to do waiting."""

REMEMBERED = 50_000
"""Claims whose holders are remembered; others are looked up."""

_ACK = b"+ACK"


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
        self._jetstream = client.jetstream(timeout=ASK_SECONDS)
        self._clock = clock
        self._replicas = replicas
        self._ack_wait = ack_wait
        self._report_wait = report_wait
        self._publisher = Publisher(client)
        self._pools: set[str] = set()
        self._workers: dict[str, float] = {}
        """When the consumer of what is for it alone was declared last, by worker."""
        self._epoch = ""
        self._epoch_since = clock.now()
        self._holders: OrderedDict[tuple[TaskRef, int], str] = OrderedDict()
        self._reports: list[tuple[Report, Msg | None]] = []
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulls: list[Pull] = []
        self._declaring = asyncio.Lock()

    async def open(self) -> None:
        await self._publisher.open()
        await self._declare()
        await self._client.subscribe(subjects.HEARTBEATS, cb=self._heartbeat)
        await self._client.subscribe(subjects.NUDGE, cb=self._nudge)
        for stream, receive in (
            (subjects.CLAIMS, self._claim),
            (subjects.RESULTS, self._result),
            (subjects.EVENTS, self._event),
        ):
            pull = Pull(self._client, stream, subjects.SCHEDULERS, receive)
            await pull.open()
            self._pulls.append(pull)
            self._spawn(self._feed(pull))
        await settle(self._client)

    async def reconnected(self) -> None:
        """The server may be another one, and know nothing."""
        self._pools.clear()
        self._workers.clear()
        await self._declare()
        for pull in self._pulls:
            pull.forget()

    # what the engine calls

    async def publish(self, orders: Sequence[Order]) -> None:
        for pool in {order.pool for order in orders if not order.target}:
            await self._ensure_pool(pool)
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
            await self._declare()
        return isinstance(answer, Stored)

    def known_epoch(self) -> Epoch:
        return Epoch(self._epoch, self._epoch_since)

    async def epoch(self) -> Epoch:
        try:
            found = await streams.epoch(self._jetstream)
        except (NatsError, JetStreamError):
            return replace(self.known_epoch(), since=self._clock.now())
        if found is None:
            await self._declare()
        elif found != self._epoch:
            self._begin(found)
        return self.known_epoch()

    def _begin(self, epoch: str) -> None:
        self._epoch, self._epoch_since = epoch, self._clock.now()

    async def control(self, messages: Sequence[Control]) -> None:
        for message in messages:
            if message.worker:
                await self._say(subjects.control(message.worker), encode(message))

    async def inbox(self, until: float | None) -> Inbox:
        if not self._reports:
            self._arrived.clear()
            timer = None if until is None else self._clock.call_at(until, self._arrived.set)
            try:
                await self._arrived.wait()
            finally:
                if timer is not None:
                    timer.cancel()
        found, self._reports = self._reports, []
        self._drained.set()
        return Inbox([report for report, _ in found], [msg for _, msg in found])

    async def confirm(self, inbox: Inbox) -> None:
        for report, message in zip(inbox.reports, inbox.tag, strict=True):
            if message is not None:
                heard = isinstance(report, Heartbeat)
                await self._say(message.reply, self._time() if heard else _ACK)

    def _time(self) -> bytes:
        """What a worker is answered: it goes by this clock."""
        return repr(self._clock.now()).encode()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for pull in self._pulls:
            await pull.close()

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
                await self._declare()
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
        self._add(Result(order.ref, order.fence, "", now, now, reason, detail=detail), None)

    async def _say(self, subject: str, payload: bytes) -> None:
        try:
            await self._client.publish(subject, payload)
        except NatsError as error:
            log.warning("NATS: %s", error)

    # declaring

    async def _declare(self) -> None:
        """One at a time: whoever finds out that something is missing, others do so, too."""
        async with self._declaring:
            await self._try_to_declare()

    async def _try_to_declare(self) -> None:
        try:
            epoch = await streams.declare(self._jetstream, self._replicas, self._report_wait)
            if epoch != self._epoch:
                self._begin(epoch)
            for pool in self._pools or {"default"}:
                await streams.declare_pool(self._jetstream, pool, self._ack_wait)
                self._pools.add(pool)
            await self._learn_owners()
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: streams cannot be declared now: %s", error)

    async def _learn_owners(self) -> None:
        """Of workers that something is left for: other schedulers may have declared them, and
        been gone before it was time to sweep."""
        every = subjects.EVERYBODYS_OWN_WORK
        info = await self._jetstream.stream_info(subjects.WORK, subjects_filter=every)
        for subject in info.state.subjects or {}:
            self._workers.setdefault(subjects.owner(subject), self._clock.now() - streams.OWN_KEPT)

    async def _ensure_pool(self, pool: str) -> None:
        if pool in self._pools:
            return
        try:
            await streams.declare_pool(self._jetstream, pool, self._ack_wait)
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: pool %s cannot be declared now: %s", pool, error)
        else:
            self._pools.add(pool)

    async def _ensure_own(self, worker: str) -> None:
        """Where the worker asks for what is for it alone; whatever is published before waits
        in the stream."""
        now = self._clock.now()
        if now - self._workers.get(worker, -streams.OWN_KEPT) < streams.OWN_KEPT / 2:
            return
        try:
            await streams.declare_own(self._jetstream, worker, self._ack_wait)
        except (NatsError, JetStreamError) as error:
            log.warning("NATS: worker %s cannot be declared now: %s", worker, error)
        else:
            self._workers[worker] = now
        await self._sweep(now)

    async def _sweep(self, now: float) -> None:
        """Nobody reads what is left for a worker that has not come back."""
        gone = [w for w, at in self._workers.items() if now - at > 2 * streams.OWN_KEPT]
        for worker in gone:
            del self._workers[worker]
            try:
                subject = subjects.own_work(worker)
                await self._jetstream.purge_stream(subjects.WORK, subject=subject)
            except (NatsError, JetStreamError) as error:
                log.info("NATS: what was for %s is still there: %s", worker, error)

    # receiving

    async def _feed(self, pull: Pull) -> None:
        while True:
            while len(self._reports) >= FULL:
                self._drained.clear()
                await self._drained.wait()
            await pull.ask(BATCH, PULL_SECONDS)
            await pull.ended.wait()
            if pull.no_consumer:
                await asyncio.sleep(0.2)
                await self._declare()

    def _claim(self, message: Msg) -> None:
        started = self._read(Started, message)
        if started is None:
            return
        report: Report = started
        if started.worker or not started.reserved:  # whose claim it is stays known
            self._remember(started)
        if not started.worker:
            report = Voided(started.ref, started.fence, started.reserved)
        self._add(report, message)

    def _result(self, message: Msg) -> None:
        result = self._read(Result, message)
        if result is None:
            return
        pool, worker = subjects.sender(message.subject)
        if result.worker != worker:
            log.warning("worker %s sent a result in the name of %s", worker, result.worker)
            self._spawn(self._say(message.reply, _ACK))
            return
        holder = self._holders.get((result.ref, result.fence))
        if holder is None:
            self._spawn(self._look_up(result, pool, message))
        else:
            self._add(replace(result, claimed=holder == worker), message)

    async def _look_up(self, result: Result, pool: str, message: Msg) -> None:
        """Who holds the claim, where another scheduler was told. Where nobody can be asked
        the result is not confirmed, and comes again."""
        try:
            before = self._epoch
            holder = await self._holder(result, pool)
            if holder is None and (await self.epoch()).name != before:
                holder = await self._holder(result, pool)
        except (NatsError, JetStreamError) as error:
            log.info("who claimed %s.%s cannot be asked: %s", result.ref, result.fence, error)
            return
        self._add(replace(result, claimed=holder == result.worker), message)

    async def _holder(self, result: Result, pool: str) -> str | None:
        """None where there is no claim. Of that the leader alone can be sure: any other
        server may be behind."""
        subject = subjects.claim(self._epoch, pool, result.ref, result.fence)
        for direct in (True, False):
            try:
                found = await self._jetstream.get_last_msg(subjects.CLAIMS, subject, direct=direct)
                return decode(Started, found.data or b"").worker
            except NotFoundError:
                continue
            except NotUnderstoodError as error:
                log.warning("NATS: %s on %s", error, subject)
                break
        return None

    async def _heartbeat(self, message: Msg) -> None:
        try:
            beat = decode(Heartbeat, message.data)
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)
            return
        if (beat.pool, beat.worker) != subjects.sender(message.subject):
            log.warning("a heartbeat on %s in the name of %s", message.subject, beat.worker)
            return
        await self._ensure_pool(beat.pool)
        await self._ensure_own(beat.worker)
        self._add(beat, message)

    def _event(self, message: Msg) -> None:
        """What a client sent that is none of ours: it may be anything."""
        try:
            content = payload(message.data)
        except PayloadError as error:
            log.warning("NATS: an event on %s is no event: %s", message.subject, error)
            self._spawn(self._say(message.reply, _ACK))  # it never will be
            return
        subject, now = subjects.event_of(message.subject), self._clock.now()
        self._add(Arrived(subject, _event_key(message), content, now), message)

    async def _nudge(self, message: Msg) -> None:
        try:
            self._add(decode(Nudge, message.data), None)
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)

    def _read(self, kind: type[T], message: Msg) -> T | None:
        try:
            return decode(kind, message.data)
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)
            self._spawn(self._say(message.reply, _ACK))  # it never will be
            return None

    def _remember(self, started: Started) -> None:
        self._holders[started.ref, started.fence] = started.worker
        while len(self._holders) > REMEMBERED:
            self._holders.popitem(last=False)

    def _add(self, report: Report, message: Msg | None) -> None:
        self._reports.append((report, message))
        self._arrived.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _event_key(message: Msg) -> str:
    """What tells an event from others: its sender's word, or else its place in the stream, since
    one that was stored and not confirmed comes again."""
    given = (message.headers or {}).get("Nats-Msg-Id")
    if given:
        return key_of(f"id:{given}")
    at = message.metadata
    return f"stream:{at.sequence.stream}:{at.timestamp.timestamp()}"


def _is_open(answer: Answer) -> bool:
    return isinstance(answer, Unanswered)
