"""The life of an executor and of its handles."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio

import pytest

from tidemill.spi import Handle, SpiError
from tidemill.testing.executor.bench import Bench


@pytest.mark.asyncio
class Lifecycle:
    async def test_waiting_twice_gives_the_same_outcome(self, bench: Bench) -> None:
        first, running = await bench.run("exit 6")
        assert await running.end() == first

    async def test_two_may_wait_at_once(self, bench: Bench) -> None:
        running = await bench.start("sleep 0.05; exit 6")
        first, second = await asyncio.gather(running.end(), running.end())
        assert first == second
        assert first.code == 6

    async def test_a_wait_that_is_cancelled_does_not_end_the_step(self, bench: Bench) -> None:
        running = await bench.start("while [ ! -e go ]; do sleep 0.01; done; exit 8")
        task = asyncio.ensure_future(running.end())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (bench.project / "go").touch()
        assert (await running.end()).code == 8

    async def test_starting_the_same_work_twice_is_refused(self, bench: Bench) -> None:
        running = await bench.start("echo once; sleep 0.05")
        with pytest.raises(SpiError):
            await bench.start(running.work)
        assert (await running.end()).ok
        with pytest.raises(SpiError):
            await bench.start(running.work)
        assert running.output == b"once\n"

    async def test_an_unknown_handle_is_refused(self, bench: Bench) -> None:
        unknown = Handle("never-started")
        with pytest.raises(SpiError):
            await bench.executor.wait(unknown)
        with pytest.raises(SpiError):
            await bench.executor.stop(unknown, 0)

    async def test_an_unknown_token_is_not_recovered(self, bench: Bench) -> None:
        assert await bench.executor.recover("never-started") is None

    async def test_an_ended_step_is_not_recovered(self, bench: Bench) -> None:
        _, running = await bench.run("true")
        assert await bench.executor.recover(running.handle.token) is None

    async def test_closing_ends_what_runs_and_those_who_wait(self, bench: Bench) -> None:
        running = await bench.start("trap '' TERM; sleep 1000 & echo ready; wait; sleep 1000")
        await running.says(b"ready")
        waiting = asyncio.ensure_future(running.end())
        await asyncio.sleep(0)
        async with bench.deadline():
            await bench.executor.close()
        assert not (await waiting).ok
        await bench.assert_gone()

    async def test_closing_twice_is_the_same_as_once(self, bench: Bench) -> None:
        await bench.run("true")
        async with bench.deadline():
            await bench.executor.close()
            await bench.executor.close()

    async def test_closing_an_unused_executor_is_fine(self, bench: Bench) -> None:
        async with bench.deadline():
            await bench.executor.close()
