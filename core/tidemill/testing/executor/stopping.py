"""Stopping steps, and what must be gone when they have ended."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
import signal

import pytest

from tidemill.spi import Reason
from tidemill.testing.executor.bench import LIMIT, Bench

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
DAEMON = "(setsid sh -c 'trap \"\" TERM HUP; exec sleep 1000' >/dev/null 2>&1 </dev/null &)"
"""Its parent ends at once, and it leaves the session and closes the step's files."""


@pytest.mark.asyncio
class Stopping:
    async def test_stop_asks_first(self, bench: Bench) -> None:
        running = await bench.start(
            "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
        )
        await running.says(b"ready\n")
        await running.stop(LIMIT)
        outcome = await running.end()
        assert outcome.code == 9
        assert running.output.endswith(b"asked\n")

    async def test_stop_reaches_the_whole_tree(self, bench: Bench) -> None:
        child = "trap 'echo child asked; exit' TERM; echo child ready; while :; do sleep 0.01; done"
        running = await bench.start(f"setsid sh -c '{child.replace(chr(39), chr(34))}' & wait")
        await running.says(b"child ready")
        await running.stop(LIMIT)
        await running.end()
        assert b"child asked" in running.output

    async def test_a_child_has_its_grace_though_its_parent_is_gone(self, bench: Bench) -> None:
        child = (
            'trap "sleep 0.2; echo cleaned; exit" TERM; echo ready; while :; do sleep 0.01; done'
        )
        running = await bench.start(f"sh -c '{child}' & wait")
        await running.says(b"ready")
        await running.stop(LIMIT)
        await running.end()
        assert b"cleaned" in running.output

    async def test_what_does_not_listen_is_killed_after_the_grace(self, bench: Bench) -> None:
        running = await bench.start(STUBBORN)
        await running.says(b"ready")
        await running.stop(0.1)
        outcome = await running.end()
        assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
        await bench.assert_gone()

    async def test_a_grace_of_zero_kills_at_once(self, bench: Bench) -> None:
        running = await bench.start("trap 'echo asked' TERM; echo ready; while :; do sleep 1; done")
        await running.says(b"ready")
        await running.stop(0)
        assert (await running.end()).signal == signal.SIGKILL
        assert b"asked" not in running.output

    async def test_a_second_stop_shortens_the_grace(self, bench: Bench) -> None:
        running = await bench.start(STUBBORN)
        await running.says(b"ready")
        await running.stop(10 * LIMIT)
        await running.stop(0.05)
        assert (await running.end()).signal == signal.SIGKILL

    async def test_a_second_stop_never_lengthens_the_grace(self, bench: Bench) -> None:
        running = await bench.start(STUBBORN)
        await running.says(b"ready")
        await running.stop(0.1)
        await running.stop(10 * LIMIT)
        assert (await running.end()).signal == signal.SIGKILL

    async def test_a_stopped_process_ends_too(self, bench: Bench) -> None:
        """One that SIGSTOP holds does not see SIGTERM until it is let go on."""
        running = await bench.start("echo ready; kill -STOP $$; echo never")
        await running.says(b"ready")
        await running.stop(LIMIT)
        assert (await running.end()).reason is Reason.KILLED

    async def test_stopping_an_ended_step_does_nothing(self, bench: Bench) -> None:
        outcome, running = await bench.run("exit 5")
        await running.stop(0)
        await running.stop(LIMIT)
        assert await running.end() == outcome

    async def test_stop_right_after_the_start_is_heard(self, bench: Bench) -> None:
        for _ in range(20):
            running = await bench.start("sleep 1000")
            await running.stop(LIMIT)
            assert (await running.end()).reason is Reason.KILLED
        await bench.assert_gone()

    async def test_cancelling_a_start_leaves_nothing(self, bench: Bench) -> None:
        for turns in range(12):
            task = asyncio.ensure_future(bench.start("sleep 1000 & sleep 1000"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                running = await task
            except asyncio.CancelledError:
                continue
            await running.stop(0)
            await running.end()
        await bench.executor.close()
        await bench.assert_gone()

    async def test_a_daemon_is_gone_when_its_step_has_ended(self, bench: Bench) -> None:
        outcome, _ = await bench.run(f"{DAEMON}; {DAEMON}; sleep 0.05; exit 0")
        assert outcome.ok
        await bench.assert_gone()

    async def test_a_daemon_is_gone_when_its_step_was_stopped(self, bench: Bench) -> None:
        running = await bench.start(f"{DAEMON}; echo ready; sleep 1000")
        await running.says(b"ready")
        await running.stop(0.05)
        await running.end()
        await bench.assert_gone()

    async def test_a_tree_that_forks_without_end_is_gone_after_its_step(self, bench: Bench) -> None:
        """Each process starts the next in a session of its own, and ends."""
        (bench.project / "comet").write_text('setsid sh ./comet & echo "$$" > trail')
        outcome, _ = await bench.run("sh ./comet; while [ ! -s trail ]; do sleep 0.01; done")
        assert outcome.ok
        await bench.assert_gone()
