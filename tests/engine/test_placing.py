"""Where a scheduler puts steps that want something of their worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from tidelang import codec
from tidelang.definition import Argv, Definition, Loop, Step
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.placing import RESERVE_AFTER
from tidemill.engine.scheduler import Scheduler
from tidemill.model.messages import Claimed, Cordon, Heartbeat, Nudge, Order, Result
from tidemill.model.plan import make_plan
from tidemill.model.rows import CordonRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock

LEASE = 30.0
GIB = 1 << 30


def step(name: str = "s", count: int = 0, **wants: Any) -> Step:
    loop = Loop(("x",), ("list", tuple(("lit", n) for n in range(count)))) if count else None
    resources = tuple(sorted(wants.pop("resources", {}).items()))
    labels = tuple(sorted(wants.pop("labels", {}).items()))
    action = Argv((("lit", "true"),))
    return Step(name, action, loop=loop, resources=resources, labels=labels, **wants)


class Bench:
    """A scheduler of all runs; the test plays the workers."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.store = SqlStore(open_sqlite(folder / "t.db"))
        self.broker = InProcessBroker(self.clock)
        self.scheduler = Scheduler(self.store, self.broker, self.clock, self, lease=LEASE)
        self.there: dict[str, Heartbeat] = {}
        self.held: dict[str, dict[Claimed, Order]] = {}

    def changed(self, *_: object) -> None: ...

    async def start(self, *steps: Step, **options: Any) -> int:
        definition = Definition("p", steps=steps, **options)
        plan = make_plan(definition, {})
        new = NewRun(
            plan, codec.digest(definition), codec.encode(definition), "p.tide",
            frozenset(range(plan.size)), {}, pooled=True,
        )  # fmt: skip
        row = self.store.transact_now(lambda tx: create_run(tx, new, self.clock.now()))
        await self.nudge(row.number)
        return row.number

    async def nudge(self, run: int) -> None:
        await self.broker.report(Nudge(run))
        await self.clock.advance(0.1)

    async def worker(self, name: str, slots: int = 4, **about: Any) -> None:
        about.setdefault("resources", {"cpu": 4.0, "memory": 8.0 * GIB})
        pool = about.pop("pool", "default")
        self.there[name] = Heartbeat(name, pool, slots, (), **about)
        await self.beat()

    async def beat(self) -> None:
        for name, beat in self.there.items():
            held = tuple(self.held.get(name, ()))
            await self.broker.report(replace(beat, held=held))
        await self.clock.advance(0.1)

    async def pass_time(self, seconds: float) -> None:
        """While workers say that they are there."""
        for _ in range(int(seconds / 5)):
            await self.clock.advance(5)
            await self.beat()

    async def taken_by(self, name: str) -> list[str]:
        """What has come to a worker since the last time; it begins with all of it."""
        waiting = asyncio.ensure_future(self.broker.take_own(name))
        await self.clock.advance(0)
        if not waiting.done():
            waiting.cancel()
            return []
        found = []
        for delivery in waiting.result():
            order = delivery.order
            if await self.broker.claim(order, name, self.clock.now()):
                self.held.setdefault(name, {})[order.claimed] = order
                found.append(order.key)
            await self.broker.acknowledge(delivery)
        await self.clock.advance(0.1)
        return found

    async def end(self, name: str, key: str) -> None:
        held = self.held[name]
        claimed = next(claimed for claimed, order in held.items() if order.key == key)
        del held[claimed]
        now = self.clock.now()
        await self.broker.report(Result(*_of(claimed), name, now, now, "exited", 0))
        await self.clock.advance(0.1)

    def rows(self, run: int) -> list[TaskRow]:
        return self.store.transact_now(lambda tx: tx.all_tasks(run))

    def row(self, run: int, key: str = "s") -> TaskRow:
        return next(row for row in self.rows(run) if row.key == key)

    def placed(self, run: int) -> dict[str, str]:
        active = {TaskState.QUEUED, TaskState.RUNNING}
        return {row.key: row.target for row in self.rows(run) if row.state in active}


def _of(claimed: Claimed) -> tuple[Any, int]:
    return claimed.ref, claimed.fence


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    driving = asyncio.create_task(bench.scheduler.drive())
    await bench.clock.advance(LEASE + 1)  # by now it is known who is there
    yield bench
    driving.cancel()
    found = await asyncio.gather(driving, return_exceptions=True)
    await bench.store.close()
    assert not [error for error in found if isinstance(error, Exception)]


async def test_a_step_goes_to_the_worker_that_has_what_it_wants(bench: Bench) -> None:
    await bench.worker("plain")
    await bench.worker("gpu", resources={"cpu": 4.0, "gpu": 1.0}, labels={"gpu": "a100"})
    run = await bench.start(
        step("a", resources={"gpu": 1}),
        step("b", labels={"gpu": "a100"}),
        step("c", resources={"cpu": 1.0}),
    )
    assert bench.placed(run) == {"a": "gpu", "b": "gpu", "c": "plain"}
    assert await bench.taken_by("gpu") == ["a", "b"]
    assert await bench.taken_by("plain") == ["c"]


async def test_a_step_that_wants_nothing_goes_to_its_pool(bench: Bench) -> None:
    await bench.worker("w1")
    run = await bench.start(step())
    assert bench.placed(run) == {"s": ""}
    (delivery,) = await bench.broker.take("default", 1)
    assert not delivery.order.target
    assert not delivery.order.resources


async def test_no_worker_is_given_more_than_it_has(bench: Bench) -> None:
    await bench.worker("w1", slots=9)
    run = await bench.start(step(count=5, resources={"cpu": 1.5}))
    assert list(bench.placed(run)) == ["s[0]", "s[1]"]
    assert await bench.taken_by("w1") == ["s[0]", "s[1]"]
    await bench.end("w1", "s[0]")
    assert list(bench.placed(run)) == ["s[1]", "s[2]"]


async def test_no_worker_is_given_more_steps_than_it_has_slots(bench: Bench) -> None:
    await bench.worker("w1", slots=2)
    run = await bench.start(step(count=5, resources={"cpu": 0.1}))
    assert len(bench.placed(run)) == 2


async def test_a_thousand_are_placed_in_one_turn(bench: Bench) -> None:
    await bench.worker("w1", slots=2000, resources={"cpu": 100.0})
    run = await bench.start(step(count=1500, resources={"cpu": 0.1}))
    assert len(bench.placed(run)) == 1000


async def test_what_can_go_nowhere_is_in_nobodys_way(bench: Bench) -> None:
    await bench.worker("w1")
    big = await bench.start(step(count=200, resources={"cpu": 64.0}))
    small = await bench.start(step(count=3, resources={"cpu": 1.0}))
    plain = await bench.start(step(count=3))
    assert not bench.placed(big)
    assert len(bench.placed(small)) == len(bench.placed(plain)) == 3


async def test_a_limit_of_a_fan_out_holds_and_stops_no_other_run(bench: Bench) -> None:
    await bench.worker("w1")
    wants = {"resources": {"cpu": 1.0}}
    first = await bench.start(step(count=300, max_parallel=1, **wants))
    second = await bench.start(step(count=2, **wants))
    assert len(bench.placed(first)) == 1
    assert len(bench.placed(second)) == 2


async def test_what_waits_for_long_gets_a_worker_to_itself_in_the_end(bench: Bench) -> None:
    """Small steps that came after it would fill every gap, for ever."""
    await bench.worker("w1")
    await bench.worker("w2")
    small = step(count=200, resources={"cpu": 1.0})
    first = await bench.start(replace(small, loop=step(count=8).loop))
    assert len(await bench.taken_by("w1") + await bench.taken_by("w2")) == 8
    big = await bench.start(step("big", resources={"cpu": 4.0}))
    later = await bench.start(small)
    for _ in range(int(RESERVE_AFTER / 5) + 10):
        for name in ("w1", "w2"):
            held = list(bench.held[name].values())
            if held:
                await bench.end(name, held[0].key)
            await bench.taken_by(name)
        at_work = len(bench.placed(first)) + len(bench.placed(later))
        assert at_work >= 4 or bench.placed(big), "one worker is reserved, no more"
        await bench.pass_time(5)
    assert bench.row(big, "big").started_at


async def test_a_step_that_no_worker_could_take_says_so_at_once(bench: Bench) -> None:
    await bench.worker("w1", pool="gpu", resources={"memory": 32.0 * GIB})
    run = await bench.start(step(pool="gpu", resources={"memory": 64 * GIB}))
    text = "cannot be placed: no worker of pool gpu has memory 64GiB; the largest has 32GiB"
    assert bench.row(run).detail == text
    with bench.store._engine.connect() as connection:  # noqa: SLF001
        events = connection.exec_driver_sql("SELECT data FROM outbox WHERE kind = 'unplaceable'")
        assert [text in data for (data,) in events] == [True]


async def test_a_step_of_a_pool_without_workers_says_so(bench: Bench) -> None:
    await bench.worker("w1")
    run = await bench.start(step(pool="gpu"))
    await bench.pass_time(LEASE / 3)
    assert bench.row(run).detail == (
        "cannot be placed: there is no worker of pool gpu; there are pools default"
    )
    await bench.worker("w2", pool="gpu")
    assert bench.placed(run) == {"s": ""}
    assert not bench.row(run).detail


async def test_it_is_placed_as_soon_as_a_worker_comes_that_fits(bench: Bench) -> None:
    await bench.worker("w1")
    run = await bench.start(step(labels={"arch": "arm64"}))
    assert "label arch = arm64" in bench.row(run).detail
    await bench.worker("w2", labels={"arch": "arm64"})
    assert bench.placed(run) == {"s": "w2"}
    assert not bench.row(run).detail


async def test_the_next_region_is_allowed_after_the_wait(bench: Bench) -> None:
    eu, us = {"region": "eu", "slots": 1}, {"region": "us"}
    await bench.worker("w-eu", **eu)
    await bench.worker("w-us", **us)
    regions = ("eu", "us")
    first = await bench.start(step(regions=regions))
    assert bench.placed(first) == {"s": "w-eu"}
    await bench.taken_by("w-eu")
    second = await bench.start(step(regions=regions))
    await bench.pass_time(25)
    assert not bench.placed(second)
    await bench.pass_time(5)
    assert bench.placed(second) == {"s": "w-us"}


async def test_a_region_without_workers_is_passed_over_at_once(bench: Bench) -> None:
    await bench.worker("w-us", region="us")
    run = await bench.start(step(regions=("eu", "us")))
    assert bench.placed(run) == {"s": "w-us"}


async def test_after_a_take_over_who_starts_late_loses(bench: Bench) -> None:
    """The preferred worker vanishes with an order in its hands."""
    await bench.worker("w-eu", region="eu")
    await bench.worker("w-us", region="us")
    run = await bench.start(step(regions=("eu", "us")))
    (late,) = await bench.broker.take_own("w-eu")
    del bench.there["w-eu"]
    await bench.pass_time(LEASE + 10)
    assert bench.placed(run) == {"s": "w-us"}
    assert not await bench.broker.claim(late.order, "w-eu", bench.clock.now())
    assert await bench.taken_by("w-us") == ["s"]
    assert bench.row(run).attempt == 1, "what was never begun counts as no attempt"


async def test_a_cordoned_worker_gets_nothing_and_is_told_so(bench: Bench) -> None:
    await bench.worker("w1", resources={"gpu": 1.0})
    cordon = CordonRow("w1", 1.0, "anna")
    bench.store.transact_now(lambda tx: (tx.cordon(cordon), tx.signal(0)))
    await bench.nudge(0)
    assert await bench.broker.controls() == [Cordon("w1", lifted=False)]
    run = await bench.start(step(resources={"gpu": 1}))
    assert not bench.placed(run)
    assert bench.row(run).detail.endswith("every worker that fits is cordoned or draining")
    bench.store.transact_now(lambda tx: tx.uncordon(["w1"]))
    await bench.nudge(0)
    assert bench.placed(run) == {"s": "w1"}


async def test_a_worker_that_forgot_its_cordon_is_told_again(bench: Bench) -> None:
    bench.store.transact_now(lambda tx: tx.cordon(CordonRow("w1", 1.0, "anna")))
    await bench.worker("w1")
    assert await bench.broker.controls() == [Cordon("w1", lifted=False)]
    await bench.worker("w1", cordoned=True)
    bench.store.transact_now(lambda tx: tx.uncordon(["w1"]))
    await bench.beat()
    assert await bench.broker.controls() == [Cordon("w1", lifted=True)]


async def test_steps_that_want_nothing_have_their_turn_before_later_ones_that_do(
    bench: Bench,
) -> None:
    """The worker's slots are taken, and more waits for them: who wants something stands behind
    in line, whatever is kept for it alone."""
    await bench.worker("w1", slots=1)
    plain = await bench.start(step(count=20))
    placed = await bench.start(step(resources={"cpu": 1.0}, priority="bulk"))
    for _ in range(20):
        waits = bench.rows(plain)[-1].state is TaskState.READY
        assert not (waits and bench.placed(placed))
        (delivery,) = await bench.broker.take("default", 1)
        order = delivery.order
        assert await bench.broker.claim(order, "w1", bench.clock.now())
        await bench.broker.acknowledge(delivery)
        bench.held.setdefault("w1", {})[order.claimed] = order
        await bench.end("w1", order.key)
    assert bench.placed(placed) == {"s": "w1"}
