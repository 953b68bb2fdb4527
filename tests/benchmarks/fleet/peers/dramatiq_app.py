"""Dramatiq with Redis; results are stored, as they are in Celery's case."""

from __future__ import annotations

import os
import time

import dramatiq
from counting import STEP_SECONDS, done
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["BENCH_URL"]
WITH_RESULTS = os.environ.get("BENCH_RESULTS", "1") == "1"

broker = RedisBroker(url=URL)
if WITH_RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> int:
    done()
    return 0


@dramatiq.actor
def step() -> int:
    time.sleep(STEP_SECONDS)
    done()
    return 0


def enqueue(count: int) -> None:
    for _ in range(count):
        noop.send()


def chain(count: int) -> None:
    ignoring = (step.message_with_options(pipe_ignore=True) for _ in range(count))
    dramatiq.pipeline(ignoring).run()
