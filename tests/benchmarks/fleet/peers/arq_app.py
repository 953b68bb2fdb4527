"""Arq with Redis. By default it has 10 jobs at work and looks for more twice a second; here it
may have 100, and looks a hundred times a second."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import looping
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from counting import STEP_SECONDS, done

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])


async def noop(context: dict[str, Any]) -> None:
    del context
    done()


async def step(context: dict[str, Any], left: int) -> None:
    await asyncio.sleep(STEP_SECONDS)
    done()
    if left > 1:
        await context["redis"].enqueue_job("step", left - 1)


class WorkerSettings:
    functions = (noop, step)
    redis_settings = SETTINGS
    max_jobs = 100
    poll_delay = 0.01
    if os.environ.get("BENCH_RESULTS", "1") != "1":
        keep_result = 0


_pools: list[ArqRedis] = []


def _pool() -> ArqRedis:
    if not _pools:
        _pools.append(looping.run(create_pool(SETTINGS)))
    return _pools[0]


def enqueue(count: int) -> None:
    pool = _pool()
    looping.run(looping.gathered(lambda: pool.enqueue_job("noop"), count))


def chain(count: int) -> None:
    looping.run(_pool().enqueue_job("step", count))
