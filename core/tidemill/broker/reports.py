"""What workers, clients and other schedulers tell a scheduler over NATS."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from tidemill.broker import subjects
from tidemill.broker.codec import NotUnderstoodError, decode
from tidemill.broker.connection import say
from tidemill.broker.declared import ASK_SECONDS, Declared
from tidemill.broker.pulling import Pull
from tidemill.model.messages import Arrived, Heartbeat, Nudge, Report, Result, Started, Voided
from tidemill.model.rows import TaskRef
from tidemill.model.triggers import PayloadError, key_of, payload
from tidemill.ports import Clock
from tidemill.waiting import wait_for

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 1000
"""Reports that are asked for at a time."""

FULL = 5000
"""Reports that wait here, at most, before more are asked for."""

PULL_SECONDS = 5.0

REMEMBERED = 50_000
"""Claims whose holders are remembered; others are looked up."""

_ACK = b"+ACK"


class Reports:
    """Call `open` first. What is taken comes again until it is confirmed."""

    def __init__(self, client: Client, clock: Clock, declared: Declared) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=ASK_SECONDS)
        self._clock = clock
        self._declared = declared
        self._holders: OrderedDict[tuple[TaskRef, int], str] = OrderedDict()
        self._reports: list[tuple[Report, Msg | None]] = []
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulls: list[Pull] = []

    async def open(self) -> None:
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

    def ask_again(self) -> None:
        """The server may be another one, and have forgotten what it was asked for."""
        for pull in self._pulls:
            pull.forget()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for pull in self._pulls:
            await pull.close()

    async def take(self, until: float | None) -> list[tuple[Report, Msg | None]]:
        """What has arrived, and the messages that are to be confirmed; waits for the first of
        them until a time."""
        if not self._reports:
            self._arrived.clear()
            await wait_for(self._arrived, self._clock, until)
        found, self._reports = self._reports, []
        self._drained.set()
        return found

    async def confirm(self, found: Iterable[tuple[Report, Msg | None]]) -> None:
        for report, message in found:
            if message is not None:
                heard = isinstance(report, Heartbeat)
                await self._say(message, self._time() if heard else _ACK)

    def _time(self) -> bytes:
        """What a worker is answered: it goes by this clock."""
        return repr(self._clock.now()).encode()

    async def _say(self, message: Msg, answer: bytes) -> None:
        await say(self._client, message.reply, answer)

    async def _feed(self, pull: Pull) -> None:
        while True:
            while len(self._reports) >= FULL:
                self._drained.clear()
                await self._drained.wait()
            await pull.ask(BATCH, PULL_SECONDS)
            await pull.ended.wait()
            if pull.no_consumer:
                await asyncio.sleep(0.2)
                await self._declared.declare()

    def _claim(self, message: Msg) -> None:
        started = self._read(Started, message)
        if started is None:
            return
        report: Report = started
        if started.worker or not started.reserved:  # whose claim it is stays known
            self._remember(started)
        if not started.worker:
            report = Voided(started.ref, started.fence, started.reserved)
        self.add(report, message)

    def _result(self, message: Msg) -> None:
        result = self._read(Result, message)
        if result is None:
            return
        pool, worker = subjects.sender(message.subject)
        if result.worker != worker:
            log.warning("worker %s sent a result in the name of %s", worker, result.worker)
            self._spawn(self._say(message, _ACK))
            return
        holder = self._holders.get((result.ref, result.fence))
        if holder is None:
            self._spawn(self._look_up(result, pool, message))
        else:
            self.add(replace(result, claimed=holder == worker), message)

    async def _look_up(self, result: Result, pool: str, message: Msg) -> None:
        """Who holds the claim, where another scheduler was told. Where nobody can be asked
        the result is not confirmed, and comes again."""
        try:
            before = self._declared.known_epoch().name
            holder = await self._holder(result, pool)
            if holder is None and (await self._declared.epoch()).name != before:
                holder = await self._holder(result, pool)
        except (NatsError, JetStreamError) as error:
            log.info("who claimed %s.%s cannot be asked: %s", result.ref, result.fence, error)
            return
        self.add(replace(result, claimed=holder == result.worker), message)

    async def _holder(self, result: Result, pool: str) -> str | None:
        """None where there is no claim. Of that the leader alone can be sure: any other
        server may be behind."""
        subject = subjects.claim(self._declared.known_epoch().name, pool, result.ref, result.fence)
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
        await self._declared.ensure_pool(beat.pool)
        await self._declared.ensure_own(beat.worker)
        self.add(beat, message)

    def _event(self, message: Msg) -> None:
        """What a client sent that is none of ours: it may be anything."""
        try:
            content = payload(message.data)
        except PayloadError as error:
            log.warning("NATS: an event on %s is no event: %s", message.subject, error)
            self._spawn(self._say(message, _ACK))  # it never will be
            return
        subject, now = subjects.event_of(message.subject), self._clock.now()
        self.add(Arrived(subject, _event_key(message), content, now), message)

    async def _nudge(self, message: Msg) -> None:
        try:
            self.add(decode(Nudge, message.data), None)
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)

    def _read(self, kind: type[T], message: Msg) -> T | None:
        try:
            return decode(kind, message.data)
        except NotUnderstoodError as error:
            log.warning("NATS: %s on %s", error, message.subject)
            self._spawn(self._say(message, _ACK))  # it never will be
            return None

    def _remember(self, started: Started) -> None:
        self._holders[started.ref, started.fence] = started.worker
        while len(self._holders) > REMEMBERED:
            self._holders.popitem(last=False)

    def add(self, report: Report, message: Msg | None) -> None:
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
