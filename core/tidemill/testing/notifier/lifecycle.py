"""The life of a notifier: cancelled in the middle, closed."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio

import pytest

from tidemill.testing.notifier.bench import Bench, notice
from tidemill.testing.notifier.receiver import Mood


@pytest.mark.asyncio
class Lifecycle:
    async def test_a_send_that_is_cancelled_leaves_nothing_open(self, bench: Bench) -> None:
        await bench.receiver.become(Mood.HANGS)
        sending = asyncio.ensure_future(bench.send("not now"))
        await bench.until(lambda: bench.receiver.connections() > 0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with bench.deadline():
                await sending
        await bench.until_left()
        assert bench.texts == []

    async def test_after_a_cancelled_send_the_same_notice_arrives(self, bench: Bench) -> None:
        told = notice()
        await bench.receiver.become(Mood.HANGS)
        sending = asyncio.ensure_future(bench.send("now", told))
        await bench.until(lambda: bench.receiver.connections() > 0)
        sending.cancel()
        await asyncio.wait([sending])
        await bench.receiver.become(Mood.TAKES)
        await bench.send("now", told)
        assert set(bench.texts) == {"now"}  # what was on its way may have arrived, too

    async def test_one_that_hangs_holds_up_no_other(self, bench: Bench) -> None:
        await bench.receiver.become(Mood.HANGS)
        sending = asyncio.ensure_future(bench.send("slow"))
        await bench.until(lambda: bench.receiver.connections() > 0)
        await bench.receiver.become(Mood.TAKES)
        await bench.send("quick")
        sending.cancel()
        await asyncio.wait([sending])
        assert "quick" in bench.texts

    async def test_closing_leaves_nothing_open(self, bench: Bench) -> None:
        await bench.send("one")
        async with bench.deadline():
            await bench.notifier.close()
        await bench.until_left()

    async def test_closing_twice_is_the_same_as_once(self, bench: Bench) -> None:
        await bench.send("one")
        async with bench.deadline():
            await bench.notifier.close()
            await bench.notifier.close()

    async def test_closing_an_unused_notifier_is_fine(self, bench: Bench) -> None:
        async with bench.deadline():
            await bench.notifier.close()
