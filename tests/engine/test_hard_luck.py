"""What is rare: strange news at the wrong moment, plugins with bugs, a worker cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from engine_bench import LEASE, Bench, pipeline, step

from tidelang.definition import Loop, Retry
from tidemill.broker.in_process import InProcessBroker
from tidemill.model.messages import Claimed, Heartbeat, Order, Report, Result
from tidemill.model.rows import TaskRef
from tidemill.model.states import RunState
from tidemill.spi import Handle, exited

TWICE = Retry(attempts=2, backoff=1_000)


class CutOff(InProcessBroker):
    """A worker's way to the broker, which breaks when `broken` is set: nothing is
    answered any more."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.clock)
        self._real = bench.broker
        self._contact = bench.clock.now()
        self.broken = False
        self.take = bench.broker.take  # type: ignore[method-assign]
        self.claim = bench.broker.claim  # type: ignore[method-assign]
        self.acknowledge = bench.broker.acknowledge  # type: ignore[method-assign]
        self.controls = bench.broker.controls  # type: ignore[method-assign]

    async def report(self, report: Report) -> None:
        if self.broken:
            await asyncio.Event().wait()
        self._contact = self._clock.now()
        await self._real.report(report)

    def last_contact(self) -> float:
        return self._contact


async def test_a_worker_that_gets_no_answer_stops_before_its_lease_ends(bench: Bench) -> None:
    bench.executor.ends = lambda _: None
    run = bench.create(pipeline(step("a")))
    way = CutOff(bench)
    bench.drive(run, broker=way)
    await bench.clock.advance(LEASE)
    way.broken = True
    silent_since = way.last_contact()
    await bench.clock.run_until(lambda: not bench.executor.at_work, within=2 * LEASE)
    assert bench.clock.now() - silent_since < LEASE
    assert bench.task(run, "a").state == "running", "the lease has not ended"


async def test_steps_are_given_time_by_contact_alone(bench: Bench) -> None:
    """Whoever ends them if the worker stands still goes by what it said before."""
    bench.executor.ends = lambda _: None
    way = CutOff(bench)
    bench.drive(bench.create(pipeline(step("a"))), broker=way)
    for _ in range(50):
        await bench.clock.advance(LEASE / 10)
        assert bench.executor.until[-1] > bench.clock.now() + LEASE / 4
    way.broken = True
    await bench.clock.advance(2 * LEASE)
    assert max(bench.executor.until) == pytest.approx(way.last_contact() + 2 / 3 * LEASE)


async def test_a_heartbeat_with_an_old_fence_keeps_nobody_alive(bench: Bench) -> None:
    bench.executor.ends = lambda _: None
    bench.executor.stubborn = True
    run = bench.create(pipeline(step("a", retry=TWICE)))
    bench.drive(run)
    await bench.clock.advance(1)
    task = bench.task(run, "a")
    assert task.run_at is not None
    bench.kill_workers()
    await bench.clock.run_until_idle()
    bench.clock.leap(task.run_at - bench.clock.now())
    old = Claimed(task.ref, task.fence - 1)
    await bench.broker.report(Heartbeat("zombie", "default", 1, (old,)))
    await bench.clock.advance(2)
    assert bench.task(run, "a").state != "running"


async def test_news_of_a_run_that_is_not_there_is_dropped(bench: Bench) -> None:
    bench.executor.ends = lambda _: None
    run = bench.create(pipeline(step("a")))
    bench.drive(run)
    await bench.clock.advance(1)
    await bench.broker.report(Result(TaskRef(77, 0), 1, "w", 0, 1, "exited", exit_code=0))
    await bench.clock.advance(1)
    bench.executor.end("a")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED


async def test_an_executor_that_cannot_stop_costs_its_step_and_not_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(handle: Handle, grace: float) -> None:
        raise RuntimeError(f"a bug {handle} {grace}")

    bench.executor.ends = lambda _: None
    monkeypatch.setattr(bench.executor, "stop", broken)
    run = bench.create(pipeline(step("a"), step("b")))
    bench.drive(run)
    await bench.clock.advance(1)
    await bench.cancel(run)
    await bench.clock.advance(1)
    bench.executor.end("a")
    bench.executor.end("b", exited(1))
    assert (await bench.to_the_end(run)).state is RunState.CANCELLED
    assert bench.states(run) == {"a": "cancelled", "b": "cancelled"}


async def test_an_executor_that_raises_anything_fails_its_step_in_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(handle: Handle) -> None:
        raise ZeroDivisionError(f"{handle.token}")

    monkeypatch.setattr(bench.executor, "wait", broken)
    run = bench.create(pipeline(step("a")))
    bench.drive(run)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    assert "ZeroDivisionError" in bench.task(run, "a").detail


async def test_a_published_order_that_is_dropped_costs_a_lease_and_no_attempt(
    bench: Bench,
) -> None:
    dropped: list[int] = []
    publish = bench.broker.publish

    async def lossy(orders: Sequence[Order]) -> None:
        if orders and not dropped:
            dropped.extend(order.fence for order in orders)
            return
        await publish(orders)

    bench.broker.publish = lossy  # type: ignore[method-assign]
    run = bench.create(pipeline(step("a")))
    begun = bench.clock.now()
    bench.drive(run)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert dropped
    assert LEASE <= bench.clock.now() - begun < LEASE + 1
    assert bench.task(run, "a").attempt == 1
    assert bench.executor.started[0].fence > dropped[0]


async def test_a_second_cancel_does_not_wait_for_the_grace(bench: Bench) -> None:
    bench.executor.ends = lambda _: None
    bench.executor.stubborn = True
    run = bench.create(pipeline(step("a"), step("b", "a")))
    bench.drive(run)
    await bench.clock.advance(1)
    await bench.cancel(run)
    await bench.clock.advance(1)
    assert bench.states(run) == {"a": "running", "b": "cancelled"}
    bench.scheduler.work.grace = 0
    await bench.cancel(run)
    begun = bench.clock.now()
    assert (await bench.to_the_end(run)).state is RunState.CANCELLED
    assert bench.clock.now() - begun < 1


async def test_a_cancel_while_a_retry_waits_ends_it_without_another_attempt(bench: Bench) -> None:
    bench.executor.ends = lambda _: exited(1)
    run = bench.create(pipeline(step("a", retry=Retry(attempts=9, backoff=50_000))))
    bench.drive(run)
    await bench.clock.advance(1)
    assert bench.task(run, "a").state == "ready"
    await bench.cancel(run)
    assert (await bench.to_the_end(run)).state is RunState.CANCELLED
    assert len(bench.executor.started) == 1


async def test_many_items_behind_a_full_step_keep_nobody_waiting(bench: Bench) -> None:
    """Places are looked for behind a step that is full."""
    items = ("list", tuple(("lit", n) for n in range(50)))
    bench.executor.ends = lambda work: None if "[" in work.step else exited(0)
    run = bench.create(pipeline(step("wide", loop=Loop(("x",), items), max_parallel=1), step("z")))
    bench.drive(run)
    await bench.clock.advance(1)
    assert bench.states(run)["z"] == "succeeded"
    assert len(bench.executor.at_work) == 1
