"""What a worker claims, it can do: nothing without contact, and all before it drains."""

from __future__ import annotations

import asyncio

import pytest
from engine_bench import LEASE, Bench, OneExecutor, pipeline, step

from tidelang.definition import Retry
from tidemill import waiting
from tidemill.app.secrets import installed_secrets
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.model.messages import Heartbeat, Order, Report
from tidemill.ports import Delivery
from tidemill.spi import Outcome, Work, exited
from tidemill.waiting import AGAIN, end, sleep
from tidemill.worker.worker import Worker

TWICE = Retry(attempts=2, backoff=1_000)


class Unheard(InProcessBroker):
    """A worker's way to the broker, on which no heartbeat is answered while `silent`: all
    else goes on, as it does where the schedulers have no database."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.clock)
        self._real = bench.broker
        self._contact = bench.clock.now()
        self.silent = False
        self.take = bench.broker.take  # type: ignore[method-assign]
        self.claim = bench.broker.claim  # type: ignore[method-assign]
        self.acknowledge = bench.broker.acknowledge  # type: ignore[method-assign]
        self.controls = bench.broker.controls  # type: ignore[method-assign]

    async def report(self, report: Report) -> None:
        if isinstance(report, Heartbeat):
            if self.silent:
                return
            self._contact = self._clock.now()
        await self._real.report(report)

    def last_contact(self) -> float:
        return self._contact


def worker_at(bench: Bench, way: InProcessBroker, slots: int = 1) -> Worker:
    return Worker(
        "w",
        way,
        bench.clock,
        OneExecutor(bench.executor, bench.clock),
        FolderArtifacts(bench.folder / "artifacts"),
        installed_secrets(bench.folder),
        FolderResults(bench.folder / "results"),
        bench.folder,
        slots=slots,
        lease=LEASE,
    )


async def test_a_worker_without_contact_begins_nothing_until_it_is_heard_again(
    bench: Bench,
) -> None:
    begun_until: list[float] = []

    def ends(work: Work) -> Outcome | None:
        begun_until.append(bench.executor.until[-1] - bench.clock.now())
        return None if work.attempt == 1 else exited(0)

    bench.executor.ends = ends
    run = bench.create(pipeline(step("a", retry=TWICE)))
    way = Unheard(bench)
    bench.drive(run, broker=way)
    await bench.clock.advance(1)
    way.silent = True
    await bench.clock.advance(3 * LEASE)
    assert bench.executor.keys() == ["a"], "the second attempt waits"
    way.silent = False
    assert (await bench.to_the_end(run)).state == "succeeded"
    assert bench.executor.keys() == ["a", "a"]
    assert min(begun_until) > 0, "those who run steps had been told of the contact"
    assert bench.query("SELECT outcome FROM attempt ORDER BY fence") == [("lost",), ("exited",)]


async def test_a_worker_that_is_told_to_drain_while_it_claims_does_what_it_has_claimed(
    bench: Bench,
) -> None:
    run = bench.create(pipeline(step("a")))
    way = Unheard(bench)
    worker = worker_at(bench, way)

    async def claim(order: Order, name: str, at: float) -> bool:
        worker.drain()
        await sleep(bench.clock, 1)  # the answer is on its way
        return await bench.broker.claim(order, name, at)

    way.claim = claim  # type: ignore[method-assign]
    working = asyncio.create_task(worker.run())
    bench.drive(run, slots=0)
    assert (await bench.to_the_end(run)).state == "succeeded"
    await asyncio.wait_for(working, 5)
    assert bench.query("SELECT worker, outcome FROM attempt") == [("w", "exited")]


async def test_a_worker_takes_more_while_it_claims_but_not_beyond_its_slots(bench: Bench) -> None:
    asked: list[int] = []
    run = bench.create(pipeline(*[step(name) for name in "abc"]))
    way = Unheard(bench)

    async def take(pool: str, slots: int) -> list[Delivery]:
        asked.append(slots)
        return await bench.broker.take(pool, 1)

    async def claim(order: Order, name: str, at: float) -> bool:
        await sleep(bench.clock, 5 if order.key == "a" else 10)
        return await bench.broker.claim(order, name, at)

    way.take, way.claim = take, claim  # type: ignore[method-assign]
    worker = worker_at(bench, way, slots=2)
    working = asyncio.create_task(worker.run())
    bench.drive(run, slots=0)
    await bench.clock.advance(4)
    assert (asked, worker.in_hand) == ([2, 1], 0), "the third has no slot yet"
    assert (await bench.to_the_end(run)).state == "succeeded"
    assert asked[:3] == [2, 1, 1]
    await end(working)


async def stubborn() -> None:
    """Goes on after it was cancelled, once: what a library does at times."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def test_what_swallows_that_it_is_cancelled_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "AGAIN", 0.01)
    tasks = [asyncio.create_task(stubborn()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.wait_for(end(*tasks), 5)
    assert all(task.cancelled() for task in tasks)


async def test_a_worker_drains_also_when_its_broker_swallows_that_it_was_told(
    bench: Bench,
) -> None:
    way = Unheard(bench)

    async def take(pool: str, slots: int) -> list[Delivery]:
        await stubborn()
        raise AssertionError(f"{pool}, {slots}")

    way.take = take  # type: ignore[method-assign]
    worker = worker_at(bench, way)
    working = asyncio.create_task(worker.run())
    await bench.clock.advance(1)
    worker.drain()
    await bench.clock.advance(2 * AGAIN)
    await asyncio.wait_for(working, 5)
