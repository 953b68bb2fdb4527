"""Taskiq with NATS JetStream, by its pulling broker: a durable consumer on a stream in a file.
It fetches as many as it may have at work (`--max-async-tasks`)."""

from __future__ import annotations

import asyncio
import os

import looping
from counting import STEP_SECONDS, done
from taskiq_nats import NATSObjectStoreResultBackend, PullBasedJetStreamBroker

URL = os.environ["BENCH_URL"]

broker = PullBasedJetStreamBroker(URL, pull_consume_batch=100, pull_consume_timeout=1)
if os.environ.get("BENCH_RESULTS", "1") == "1":
    broker = broker.with_result_backend(NATSObjectStoreResultBackend(URL))


@broker.task
async def noop() -> None:
    done()


@broker.task
async def step(left: int) -> None:
    await asyncio.sleep(STEP_SECONDS)
    done()
    if left > 1:
        await step.kiq(left - 1)


def enqueue(count: int) -> None:
    _start()
    looping.run(looping.gathered(noop.kiq, count))


def chain(count: int) -> None:
    _start()
    looping.run(step.kiq(count))


_started: list[bool] = []


def _start() -> None:
    if not _started:
        looping.run(broker.startup())
        _started.append(True)
