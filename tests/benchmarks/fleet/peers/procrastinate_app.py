"""Procrastinate with PostgreSQL: told of new jobs by NOTIFY, enqueued in batches, as its
documentation has it for many jobs ("Defer multiple jobs at once")."""

from __future__ import annotations

import asyncio
import os

import looping
from counting import STEP_SECONDS, done
from procrastinate import App, PsycopgConnector

BATCH = 1000

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_URL"]))


@app.task
async def noop() -> None:
    done()


@app.task
async def step(left: int) -> None:
    await asyncio.sleep(STEP_SECONDS)
    done()
    if left > 1:
        await step.defer_async(left=left - 1)


_opened: list[bool] = []


def _open() -> None:
    if not _opened:
        looping.run(app.open_async())
        _opened.append(True)


def enqueue(count: int) -> None:
    _open()
    for start in range(0, count, BATCH):
        looping.run(noop.batch_defer_async(*[{}] * min(BATCH, count - start)))


def chain(count: int) -> None:
    _open()
    looping.run(step.defer_async(left=count))
