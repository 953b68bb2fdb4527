"""The broker's promises, on the broker for one process."""

from __future__ import annotations

import asyncio

import pytest

from tidemill.broker.in_process import ACK_WAIT, InProcessBroker
from tidemill.model.messages import Heartbeat, Nudge, Order, Output, Started, StopAttempt, Voided
from tidemill.model.rows import TaskRef
from tidemill.testing.clock import VirtualClock


def order(ordinal: int, fence: int = 1, priority: int = 2) -> Order:
    return Order(
        TaskRef(1, ordinal), fence, f"t{ordinal}", "t", 1, "default", priority, "k",
        None, ("true",), {}, ".", "local", {},
    )  # fmt: skip


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> InProcessBroker:
    return InProcessBroker(clock)


async def test_the_highest_priority_comes_first_and_no_more_than_slots(
    broker: InProcessBroker,
) -> None:
    await broker.publish([order(0, priority=4), order(1), order(2, priority=0), order(3)])
    first = await broker.take("default", 3)
    assert [delivery.order.ref.ordinal for delivery in first] == [2, 1, 3]
    assert [d.order.ref.ordinal for d in await broker.take("default", 3)] == [0]


async def test_offering_the_same_fence_again_does_nothing(broker: InProcessBroker) -> None:
    await broker.publish([order(0), order(0)])
    await broker.publish([order(0), order(0, fence=2)])
    assert [d.order.fence for d in await broker.take("default", 9)] == [1, 2]


async def test_of_two_claims_one_wins_and_is_reported(broker: InProcessBroker) -> None:
    won = [await broker.claim(order(0), worker, 5.0) for worker in ("w1", "w2")]
    assert won == [True, False]
    assert (await broker.inbox(None)).reports == [Started(TaskRef(1, 0), 1, "w1", 5.0)]
    assert await broker.claim(order(0, fence=2), "w2", 6.0)


async def test_a_withdrawn_offer_cannot_be_claimed_nor_a_claimed_one_withdrawn(
    broker: InProcessBroker,
) -> None:
    assert await broker.void(TaskRef(1, 0), 1)
    assert not await broker.claim(order(0), "w1", 5.0)
    assert (await broker.inbox(None)).reports == [Voided(TaskRef(1, 0), 1)]
    assert await broker.claim(order(1), "w1", 5.0)
    assert not await broker.void(TaskRef(1, 1), 1)


async def test_what_is_not_acknowledged_comes_again(
    broker: InProcessBroker, clock: VirtualClock
) -> None:
    await broker.publish([order(0), order(1)])
    kept, dropped = await broker.take("default", 2)
    await broker.acknowledge(kept)
    await clock.advance(ACK_WAIT - 1)
    again = asyncio.ensure_future(broker.take("default", 2))
    await clock.run_until_idle()
    assert not again.done()
    await clock.advance(1)
    assert [d.order for d in await again] == [dropped.order]


async def test_who_waits_for_work_gets_it_when_it_comes(
    broker: InProcessBroker, clock: VirtualClock
) -> None:
    waiting = asyncio.ensure_future(broker.take("default", 1))
    await clock.run_until_idle()
    assert not waiting.done()
    await broker.publish([order(0)])
    assert [d.order for d in await waiting] == [order(0)]


async def test_an_inbox_waits_for_reports_but_not_beyond_its_time(
    broker: InProcessBroker, clock: VirtualClock
) -> None:
    waiting = asyncio.ensure_future(broker.inbox(clock.now() + 5))
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert (await waiting).reports == []
    await broker.report(Nudge(1))
    assert (await broker.inbox(None)).reports == [Nudge(1)]


async def test_reports_that_were_not_confirmed_come_again(broker: InProcessBroker) -> None:
    await broker.report(Nudge(1))
    await broker.confirm(await broker.inbox(None))
    beat = Heartbeat("w1", "default", 2, ())
    await broker.report(beat)
    await broker.inbox(None)
    broker.redeliver()
    assert (await broker.inbox(None)).reports == [beat]


async def test_messages_to_stop_reach_the_worker(broker: InProcessBroker) -> None:
    stop = StopAttempt(TaskRef(1, 0), 1, 10.0)
    waiting = asyncio.ensure_future(broker.stops())
    await broker.stop([stop])
    assert await waiting == [stop]


async def test_output_reaches_the_listener_at_once(clock: VirtualClock) -> None:
    heard: list[Output] = []
    broker = InProcessBroker(clock, heard.append)
    broker.emit(Output(1, 0, "a", 1, "line\n"))
    assert heard == [Output(1, 0, "a", 1, "line\n")]
