"""Streams and consumers: declared here, by whoever schedules; so are the buckets of artifacts.

Workers find them; they are not allowed to make any.
"""

from __future__ import annotations

import secrets
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from tidemill.broker import subjects
from tidemill.broker.object_store import declare_buckets
from tidemill.model.messages import PRIORITIES
from tidemill.model.triggers import MAX_EVENT

ACK_WAIT = 30.0
"""Seconds after which work that was taken and not acknowledged is offered again."""

REPORT_WAIT = 10.0
"""Seconds after which reports that a scheduler read and did not confirm go to another. Must
be well within a lease: until then, a step whose result it was counts as held."""

CLAIMS_KEPT = 600.0
"""Seconds for which a claim is remembered: far longer than any worker may stand still
between taking an order and starting it (it looks at the clock after its claim)."""

LOGS_KEPT = 7 * 86_400.0
LOGS_SIZE = 1 << 30
"""Seconds and bytes of output that are kept."""

EVENTS_SIZE = 256 << 20
"""Bytes of events that wait for a scheduler: a sender hears of it when there is no more room."""

SPARE = 4096
"""Bytes of a message that headers take, at most."""
OWN_KEPT = 3600.0
"""Seconds after which the consumer of a worker goes that does not ask it any more."""

MAX_UNACKNOWLEDGED = 20_000
"""Messages that all who share a consumer hold together, at most."""


def stream_configs(replicas: int, epoch: str) -> list[StreamConfig]:
    common: dict[str, Any] = {"storage": StorageType.FILE, "num_replicas": replicas}
    return [
        StreamConfig(
            subjects.WORK,
            subjects=["tide.work.*.*", "tide.work-for.*"],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            duplicate_window=120,
            **common,
        ),
        StreamConfig(
            subjects.CLAIMS,
            subjects=[subjects.claims_of(epoch)],
            retention=RetentionPolicy.LIMITS,
            max_age=CLAIMS_KEPT,
            duplicate_window=CLAIMS_KEPT / 10,
            allow_direct=True,
            **common,
        ),
        StreamConfig(
            subjects.RESULTS,
            subjects=["tide.result.*.*"],
            retention=RetentionPolicy.WORK_QUEUE,
            **common,
        ),
        StreamConfig(
            subjects.EVENTS,
            subjects=[subjects.event(">")],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            max_bytes=EVENTS_SIZE,
            max_msg_size=MAX_EVENT + SPARE,
            duplicate_window=120,
            **common,
        ),
        StreamConfig(
            subjects.LOGS,
            subjects=["tide.log.*.*.*.*.*"],
            retention=RetentionPolicy.LIMITS,
            max_age=LOGS_KEPT,
            max_bytes=LOGS_SIZE,
            compression=StoreCompression.S2,
            allow_direct=True,
            **common,
        ),
    ]


async def declare(
    jetstream: JetStreamContext, replicas: int = 1, report_wait: float = REPORT_WAIT
) -> str:
    """Makes what is not there, and brings what is up to date; the epoch of claims."""
    name = await epoch(jetstream) or secrets.token_hex(8)
    for config in stream_configs(replicas, name):
        try:
            await jetstream.stream_info(config.name or "")
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)
    await declare_buckets(jetstream, replicas)
    for stream in (subjects.CLAIMS, subjects.RESULTS, subjects.EVENTS):
        await jetstream.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=subjects.SCHEDULERS,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=report_wait,
                max_ack_pending=MAX_UNACKNOWLEDGED,
                max_waiting=512,
            ),
        )
    return name


async def epoch(jetstream: JetStreamContext) -> str | None:
    """That of the claims that are kept; None where there are none."""
    try:
        info = await jetstream.stream_info(subjects.CLAIMS)
    except NotFoundError:
        return None
    return subjects.epoch_of((info.config.subjects or [""])[0])


async def declare_pool(jetstream: JetStreamContext, pool: str, ack_wait: float = ACK_WAIT) -> None:
    """The consumers of a pool's work: one for each priority."""
    for priority in range(len(PRIORITIES)):
        await jetstream.add_consumer(
            subjects.WORK,
            ConsumerConfig(
                durable_name=subjects.work_consumer(pool, priority),
                filter_subject=subjects.work(pool, priority),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ack_wait,
                max_ack_pending=MAX_UNACKNOWLEDGED,
                max_waiting=8192,
            ),
        )


async def declare_own(jetstream: JetStreamContext, worker: str, ack_wait: float = ACK_WAIT) -> None:
    """The consumer of what is for one worker alone. It goes when nobody has asked it for long:
    workers come and go, and what is left for one that does not come back is offered again."""
    await jetstream.add_consumer(
        subjects.WORK,
        ConsumerConfig(
            durable_name=subjects.own_consumer(worker),
            filter_subject=subjects.own_work(worker),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_ack_pending=MAX_UNACKNOWLEDGED,
            inactive_threshold=OWN_KEPT,
        ),
    )
