"""A scheduler that has just begun judges no lease before every worker had the time to be
heard; until then it has nothing to do with those that ended, and does nothing about them."""

from __future__ import annotations

import asyncio
import random

from tidelang import codec
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.scheduler import Scheduler
from tidemill.model.plan import make_plan
from tidemill.model.rows import TaskRef
from tidemill.model.states import TaskState
from tidemill.ports import Transaction
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
