"""What every broker has to do: the suite that adapters of `tidemill.ports.Broker` pass."""

# ruff: noqa: S101 -- asserts are what tests are made of

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tidemill.model.messages import (
    Control,
    Cordon,
    Heartbeat,
    Nudge,
    Order,
    Report,
    Result,
    Started,
    StopAttempt,
    Voided,
)
from tidemill.model.rows import TaskRef
from tidemill.ports import Broker
from tidemill.testing.clock import VirtualClock


def order(ordinal: int, fence: int = 1, priority: int = 2, target: str = "") -> Order:
    return Order(
        TaskRef(1, ordinal), fence, f"t{ordinal}", "t", 1, "default", priority, "k",
        None, ("true",), {}, ".", "local", {}, target=target, resources={"cpu": 0.5},
    )  # fmt: skip


class BrokerConformance:
    """Subclass it as `Test…`, and supply a fixture `broker`, made with the fixture
    `clock`, and how another scheduler takes over from the one that has read. Where time is
    real, say so in `elapse`, `settle` and `now`."""

    ack_wait: float
    """Seconds after which what was taken and not acknowledged comes again."""

    async def take_over(self, broker: Broker) -> None:
        """A new scheduler stands where the old one had read and not confirmed."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Any:
        return VirtualClock()

    async def elapse(self, clock: Any, seconds: float) -> None:
        """Lets this much time pass."""
        await clock.advance(seconds)

    async def settle(self, clock: Any) -> None:
        """Lets everything happen that is under way."""
        await clock.run_until_idle()

    async def test_the_highest_priority_comes_first_and_no_more_than_slots(
        self,
        broker: Broker,
    ) -> None:
        await broker.publish([order(0, priority=4), order(1), order(2, priority=0), order(3)])
        first = await broker.take("default", 3)
        assert [delivery.order.ref.ordinal for delivery in first] == [2, 1, 3]
        assert [d.order.ref.ordinal for d in await broker.take("default", 3)] == [0]

    async def test_offering_the_same_fence_again_does_nothing(self, broker: Broker) -> None:
        await broker.publish([order(0), order(0)])
        await broker.publish([order(0), order(0, fence=2)])
        assert [d.order.fence for d in await broker.take("default", 9)] == [1, 2]

    async def test_of_two_claims_one_wins_and_is_reported(self, broker: Broker) -> None:
        won = [await broker.claim(order(0), worker, 5.0) for worker in ("w1", "w2")]
        assert won == [True, False]
        assert (await broker.inbox(None)).reports == [Started(TaskRef(1, 0), 1, "w1", 5.0)]
        assert await broker.claim(order(0, fence=2), "w2", 6.0)

    async def test_a_withdrawn_offer_cannot_be_claimed_nor_a_claimed_one_withdrawn(
        self,
        broker: Broker,
    ) -> None:
        assert await broker.void(TaskRef(1, 0), 1, "default", "")
        assert not await broker.claim(order(0), "w1", 5.0)
        assert (await broker.inbox(None)).reports == [Voided(TaskRef(1, 0), 1)]
        assert await broker.claim(order(1), "w1", 5.0)
        assert not await broker.void(TaskRef(1, 1), 1, "default", "")

    async def test_what_is_not_acknowledged_comes_again(self, broker: Broker, clock: Any) -> None:
        await broker.publish([order(0), order(1)])
        kept, dropped = await broker.take("default", 2)
        await broker.acknowledge(kept)
        await self.elapse(clock, self.ack_wait * 0.6)
        again = asyncio.ensure_future(broker.take("default", 2))
        await self.settle(clock)
        assert not again.done()
        await self.elapse(clock, self.ack_wait * 0.4)
        assert [d.order for d in await again] == [dropped.order]

    async def test_who_waits_for_work_gets_it_when_it_comes(
        self, broker: Broker, clock: Any
    ) -> None:
        waiting = asyncio.ensure_future(broker.take("default", 1))
        await self.settle(clock)
        assert not waiting.done()
        await broker.publish([order(0)])
        assert [d.order.claimed for d in await waiting] == [order(0).claimed]

    async def test_an_inbox_waits_for_reports_but_not_beyond_its_time(
        self, broker: Broker, clock: Any
    ) -> None:
        waiting = asyncio.ensure_future(broker.inbox(clock.now() + 1))
        await self.elapse(clock, 0.8)
        assert not waiting.done()
        await self.elapse(clock, 0.2)
        assert (await waiting).reports == []
        await broker.report(Nudge(1))
        assert (await broker.inbox(None)).reports == [Nudge(1)]

    async def test_reports_that_were_not_confirmed_come_again(self, broker: Broker) -> None:
        await broker.report(Nudge(1))
        await broker.confirm(await broker.inbox(None))
        result = Result(TaskRef(1, 0), 1, "w1", 1.0, 2.0, "exited", 0)
        assert await broker.claim(order(0), "w1", 1.0)
        await broker.report(result)
        seen = [*(await broker.inbox(None)).reports]
        while len(seen) < 2:
            seen += (await broker.inbox(None)).reports
        await self.take_over(broker)
        again: list[Report] = []
        while len(again) < 2:
            again += (await broker.inbox(None)).reports
        assert sorted(map(str, again)) == sorted(map(str, seen))
        assert result in again

    async def test_contact_is_when_a_heartbeat_was_sent_that_was_confirmed(
        self, broker: Broker, clock: Any
    ) -> None:
        await self.elapse(clock, 0.2)
        sent = clock.now()
        beat = Heartbeat(
            "w1", "default", 2, (order(0).claimed,), "eu", {"gpu": "a"}, resources={"cpu": 2.5}
        )
        await broker.report(beat)
        inbox = await broker.inbox(None)
        assert inbox.reports == [beat]
        await broker.confirm(inbox)
        await self.settle(clock)
        assert sent <= broker.last_contact() <= clock.now()

    @pytest.mark.parametrize(
        "told", [StopAttempt(TaskRef(1, 0), 1, 10.0, "w1"), Cordon("w1", lifted=False)]
    )
    async def test_what_a_worker_is_told_reaches_it(self, broker: Broker, told: Control) -> None:
        waiting = asyncio.ensure_future(broker.controls())
        await broker.control([told])
        assert await waiting == [told]

    async def test_what_was_claimed_and_not_acknowledged_cannot_be_claimed_again(
        self, broker: Broker, clock: Any
    ) -> None:
        await broker.publish([order(0)])
        (first,) = await broker.take("default", 1)
        assert await broker.claim(first.order, "w1", clock.now())
        await self.elapse(clock, self.ack_wait)
        (second,) = await broker.take("default", 1)
        assert not await broker.claim(second.order, "w2", clock.now())

    async def test_what_is_for_one_worker_comes_to_it_alone_whatever_its_slots(
        self, broker: Broker, clock: Any
    ) -> None:
        own = asyncio.ensure_future(broker.take_own("w1"))
        shared = asyncio.ensure_future(broker.take("default", 5))
        await self.settle(clock)
        for_w1 = order(0, target="w1")
        await broker.publish([for_w1, order(1, target="w2"), for_w1])
        assert [d.order for d in await own] == [for_w1]
        await self.settle(clock)
        assert not shared.done()
        shared.cancel()

    async def test_what_is_for_one_worker_comes_again_until_it_is_acknowledged(
        self, broker: Broker, clock: Any
    ) -> None:
        await broker.publish([order(0, target="w1")])
        (first,) = await broker.take_own("w1")
        await self.elapse(clock, self.ack_wait)
        (second,) = await broker.take_own("w1")
        assert first.order == second.order
        assert await broker.claim(second.order, "w1", clock.now())
        await broker.acknowledge(second)
        again = asyncio.ensure_future(broker.take_own("w1"))
        await self.elapse(clock, self.ack_wait)
        assert not again.done()
        again.cancel()

    async def test_pools_do_not_take_from_each_other(self, broker: Broker, clock: Any) -> None:
        await broker.publish([order(0)])
        other = asyncio.ensure_future(broker.take("other", 1))
        await self.settle(clock)
        assert not other.done()
        other.cancel()
        assert len(await broker.take("default", 1)) == 1
