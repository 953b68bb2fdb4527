"""Celery with Redis. What is set is what its guide advises for many short tasks
(docs.celeryq.dev, "Optimizing"): a large prefetch multiplier, no rate limits."""

from __future__ import annotations

import os
import time

from celery import Celery
from celery import chain as chained
from counting import STEP_SECONDS, done

WITH_RESULTS = os.environ.get("BENCH_RESULTS", "1") == "1"

app = Celery("celery_app", broker=os.environ["BENCH_URL"])
app.conf.update(
    result_backend=os.environ["BENCH_URL"] if WITH_RESULTS else None,
    task_ignore_result=not WITH_RESULTS,
    worker_prefetch_multiplier=64,
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop() -> None:
    done()


@app.task
def step() -> None:
    time.sleep(STEP_SECONDS)
    done()


def enqueue(count: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            noop.apply_async(producer=producer)


def chain(count: int) -> None:
    chained(step.si() for _ in range(count)).apply_async()
