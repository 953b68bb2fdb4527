"""A scheduler that has just begun judges no lease before every worker had the time to be
heard; until then it has nothing to do with those that ended, and does nothing about them."""

from __future__ import annotations

import asyncio
import random

from engine_bench import LEASE as BENCH_LEASE
from engine_bench import Bench, pipeline, step

from tidelang import codec
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.scheduler import Scheduler
from tidemill.model.plan import make_plan
from tidemill.model.rows import TaskRef
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Clock, Delivery, Epoch, Transaction
from tidemill.testing.simulation.database import Database
from tidemill.testing.simulation.ends import SimulatedSchedulerEnd, Wire
from tidemill.testing.simulation.fleet import LEASE, Unwatched
from tidemill.testing.simulation.network import Network
from tidemill.testing.simulation.nodes import Node
from tidemill.testing.simulation.pipelines import CHAIN
from tidemill.testing.simulation.promises import Promises
from tidemill.testing.simulation.server import Server
from tidemill.testing.simulation.time import EPOCH, VirtualLoop


def leave_an_offer(tx: Transaction) -> None:
    """Of a scheduler that died long ago."""
    plan, digest = make_plan(CHAIN, {}), codec.digest(CHAIN)
    chosen = frozenset(range(plan.size))
    new = NewRun(plan, digest, codec.encode(CHAIN), "chain.tide", chosen, {}, pooled=True)
    (task,) = tx.tasks([TaskRef(create_run(tx, new, EPOCH - 3600).number, 0)])
    offered = task._replace(state=TaskState.QUEUED, run_at=EPOCH - 1800, fence=1, attempt=1)
    tx.save_tasks([(task, offered)])


async def turns_in(loop: VirtualLoop, seconds: float) -> int:
    dice = random.Random(1)  # noqa: S311 - not for secrets
    network = Network(loop, dice)
    wire, node = Wire(network, Server(network)), Node(loop, "scheduler", 0.0)
    database = Database(network, dice, Promises(loop.time, lambda _: None))
    database.now(leave_an_offer)
    end, store = SimulatedSchedulerEnd(wire, node), database.seen_by(node)
    scheduler = Scheduler(store, end, node.clock, Unwatched(), lease=LEASE)
    driving = loop.create_task(scheduler.drive())
    await asyncio.sleep(seconds)
    for task in (driving, *node.tasks):
        task.cancel()
    return scheduler.turns


def test_leases_that_ended_do_not_keep_a_scheduler_busy_that_may_not_judge_them() -> None:
    loop = VirtualLoop()
    try:
        assert loop.run_until_complete(turns_in(loop, LEASE - 1)) <= LEASE
    finally:
        loop.close()


async def test_a_scheduler_that_begins_hears_workers_before_it_judges_their_leases(
    bench: Bench,
) -> None:
    bench.executor.ends = lambda _: None
    run = bench.create(pipeline(step("a")))
    first = bench.schedule(run, alone=False)
    bench.work("w")
    await bench.clock.advance(1)
    first.cancel()
    await bench.clock.advance(3 * BENCH_LEASE)  # nobody books what the worker says
    assert bench.task(run, "a").run_at < bench.clock.now()
    bench.schedule(run, alone=False)
    await bench.clock.advance(1)
    assert bench.task(run, "a").state is TaskState.RUNNING
    bench.executor.end("a")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert bench.executor.keys() == ["a"], "it was never lost"


class Forgetful(InProcessBroker):
    """Gives no work to anybody, and may lose all that it knows of claims."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.name, self.since = "first", clock.now()

    def lose_all(self) -> None:
        self.name, self.since = "second", self._clock.now()

    def known_epoch(self) -> Epoch:
        return Epoch(self.name, self.since)

    async def take(self, pool: str, slots: int) -> list[Delivery]:
        await asyncio.Event().wait()
        raise AssertionError(f"{pool}, {slots}")


async def test_an_offer_of_which_the_broker_knows_nothing_waits_a_lease_for_who_began_with_it(
    bench: Bench,
) -> None:
    broker = bench.broker = Forgetful(bench.clock)
    run = bench.create(pipeline(step("a")))
    bench.drive(run, alone=False)
    await bench.clock.advance(20)
    offered = bench.task(run, "a")
    assert (offered.state, offered.epoch) == (TaskState.QUEUED, "first")
    broker.lose_all()
    await bench.clock.advance(BENCH_LEASE - 1)
    assert bench.task(run, "a").fence == offered.fence, "whoever has begun may still say so"
    await bench.clock.advance(BENCH_LEASE)
    again = bench.task(run, "a")
    assert (again.fence, again.epoch, again.attempt) == (offered.fence + 1, "second", 1)
