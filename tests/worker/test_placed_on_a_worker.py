"""What a worker does with what was placed on it, whatever a scheduler believes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from engine_world import ScriptedExecutor, _Executors

from tidemill.app.secrets import installed_secrets
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.model.messages import Cordon, Heartbeat, Order
from tidemill.model.rows import TaskRef
from tidemill.testing.clock import VirtualClock
from tidemill.worker.worker import Worker


def order(ordinal: int, cpu: float = 0.0, target: str = "w1") -> Order:
    resources = {"cpu": cpu} if cpu else {}
    return Order(
        TaskRef(1, ordinal), 1, f"s{ordinal}", f"s{ordinal}", 1, "default", 2, "k", None,
        ("true",), {}, ".", "local", {}, target=target, resources=resources,
    )  # fmt: skip


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.broker = InProcessBroker(self.clock)
        self.executor = ScriptedExecutor()
        self.worker = Worker(
            "w1", self.broker, self.clock, _Executors(self.executor),
            FolderArtifacts(folder / "artifacts"), installed_secrets(folder),
            FolderResults(folder / "results"), folder, slots=2, lease=30.0,
            resources={"cpu": 3.0},
        )  # fmt: skip

    async def publish(self, *orders: Order) -> None:
        await self.broker.publish(orders)
        await self.clock.advance(0.1)

    @property
    def at_work(self) -> list[str]:
        started = self.executor.started
        return sorted(n for n, found in started.items() if not found[-1].over.done())

    async def end(self, name: str) -> None:
        self.executor.started[name][-1].end()
        await self.clock.advance(0.1)

    async def beats(self) -> list[Heartbeat]:
        inbox = await self.broker.inbox(self.clock.now())
        return [report for report in inbox.reports if isinstance(report, Heartbeat)]


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    working = asyncio.create_task(bench.worker.run())
    await bench.clock.advance(0.1)
    yield bench
    working.cancel()
    (found,) = await asyncio.gather(working, return_exceptions=True)
    assert isinstance(found, asyncio.CancelledError)


async def test_it_takes_up_no_more_than_it_has(bench: Bench) -> None:
    await bench.publish(order(0, cpu=2.0), order(1, cpu=2.0))
    assert bench.at_work == ["s0"]
    await bench.end("s0")
    assert bench.at_work == ["s1"]


async def test_what_it_could_never_hold_is_left_to_others(bench: Bench) -> None:
    """Its offer is withdrawn when nobody has begun with it for a lease."""
    big = order(0, cpu=4.0)
    await bench.publish(big, order(1, cpu=1.0))
    assert bench.at_work == ["s1"]
    assert await bench.broker.void(big.ref, big.fence, "default", "")


async def test_an_offer_that_was_withdrawn_meanwhile_is_not_begun(bench: Bench) -> None:
    second = order(1, cpu=2.0)
    await bench.publish(order(0, cpu=2.0), second)
    await bench.broker.void(second.ref, second.fence, "default", "")
    await bench.end("s0")
    assert bench.at_work == []
    await bench.publish(order(2, cpu=3.0))
    assert bench.at_work == ["s2"], "what was withdrawn takes up nothing"


async def test_slots_count_for_all_and_what_is_its_own_comes_first(bench: Bench) -> None:
    await bench.publish(*(order(n, target="") for n in range(4)))
    assert bench.at_work == ["s0", "s1"]
    await bench.publish(order(9, cpu=1.0))
    assert bench.at_work == ["s0", "s1"]
    await bench.end("s0")
    assert bench.at_work == ["s1", "s9"]
    await bench.end("s9")
    assert bench.at_work == ["s1", "s2"]


async def test_what_comes_while_it_waits_for_others_takes_a_slot_from_them(bench: Bench) -> None:
    """It had asked for two, and may take one now."""
    await bench.publish(order(9, cpu=1.0))
    await bench.publish(order(0, target=""), order(1, target=""))
    assert bench.at_work == ["s0", "s9"]


async def test_a_cordoned_worker_goes_on_with_what_it_holds_and_takes_nothing(
    bench: Bench,
) -> None:
    await bench.publish(order(0))
    await bench.beats()
    await bench.broker.control([Cordon("w1", lifted=False)])
    await bench.clock.advance(0.1)
    assert [beat.cordoned for beat in await bench.beats()] == [True], "it says so at once"
    await bench.publish(order(1), order(2, target=""))
    assert bench.at_work == ["s0"]
    await bench.end("s0")
    assert bench.at_work == []
    await bench.broker.control([Cordon("w1", lifted=True)])
    await bench.clock.advance(0.1)
    assert bench.at_work == ["s1", "s2"]


async def test_a_cordon_of_another_worker_is_none_of_its_own(bench: Bench) -> None:
    await bench.broker.control([Cordon("w2", lifted=False)])
    await bench.publish(order(0))
    assert bench.at_work == ["s0"]
