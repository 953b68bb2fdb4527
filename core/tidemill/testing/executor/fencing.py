"""Steps end when their time is over, whatever has become of their worker."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import time

import pytest

from tidemill.spi import Reason, boot_time
from tidemill.testing.executor.bench import LIMIT, Bench

BEATS = "echo ready; while :; do echo x >> beats; sleep 0.02; done"
SHORT = 0.5
"""Seconds that steps are given."""
LONG = 3 * SHORT
"""Seconds after which what was given `SHORT` must have ended."""


def stand_still(seconds: float) -> None:
    """Nothing of this process goes on: its event loop is not let run."""
    time.sleep(seconds)


def beats(bench: Bench) -> int:
    return (bench.project / "beats").stat().st_size


@pytest.mark.asyncio
class Fencing:
    async def test_a_step_goes_on_while_its_time_is_extended(self, leased: Bench) -> None:
        """Whether or not the executor would end it otherwise."""
        running = await leased.start("until [ -e go ]; do sleep 0.02; done")
        until = boot_time() + LONG
        while boot_time() < until:
            leased.executor.extend(SHORT, boot_time())
            stand_still(SHORT / 5)
        leased.executor.extend(LIMIT, boot_time())
        (leased.project / "go").touch()
        assert (await running.end()).ok

    async def test_a_step_ends_by_itself_when_its_time_is_over(self, leased: Bench) -> None:
        _needs_self_fencing(leased)
        running = await leased.start(f"setsid sh -c 'trap \"\" TERM HUP; {BEATS}' & wait")
        await running.says(b"ready")
        leased.executor.extend(SHORT, boot_time())
        stand_still(LONG)
        written = beats(leased)
        stand_still(SHORT)
        assert beats(leased) == written > 0
        assert (await running.end()).reason is Reason.LOST
        await leased.assert_gone()

    async def test_what_was_asked_to_end_has_no_longer_than_its_time(self, leased: Bench) -> None:
        _needs_self_fencing(leased)
        running = await leased.start("sh -c 'trap \"\" TERM; echo ready; sleep 1000' & wait")
        await running.says(b"ready")
        await running.stop(10 * LIMIT)
        leased.executor.extend(SHORT, boot_time())
        assert (await running.end()).reason is Reason.LOST
        await leased.assert_gone()

    async def test_time_is_counted_from_the_moment_that_is_named(self, leased: Bench) -> None:
        _needs_self_fencing(leased)
        running = await leased.start("sleep 1000")
        leased.executor.extend(LIMIT, boot_time() - LIMIT)
        assert (await running.end()).reason is Reason.LOST

    async def test_what_is_over_is_not_brought_back(self, leased: Bench) -> None:
        _needs_self_fencing(leased)
        running = await leased.start(BEATS)
        await running.says(b"ready")
        leased.executor.extend(SHORT, boot_time())
        stand_still(LONG)
        leased.executor.extend(LIMIT, boot_time())
        assert (await running.end()).reason is Reason.LOST
        assert await leased.text("echo next") == "next\n"

    async def test_what_starts_when_time_is_over_is_lost(self, leased: Bench) -> None:
        _needs_self_fencing(leased)
        await leased.text("echo earlier")
        leased.executor.extend(SHORT, boot_time())
        stand_still(LONG)
        outcome, _ = await leased.run("touch begun; sleep 1000")
        assert outcome.reason is Reason.LOST
        assert not (leased.project / "begun").exists()
        leased.executor.extend(LIMIT, boot_time())
        assert await leased.text("echo next") == "next\n"

    async def test_time_that_is_over_without_a_step_harms_none_after_it(
        self, leased: Bench
    ) -> None:
        await leased.text("echo earlier")
        leased.executor.extend(SHORT, boot_time())
        stand_still(LONG)
        leased.executor.extend(LIMIT, boot_time())
        for _ in range(3):
            assert await leased.text("echo next") == "next\n"

    async def test_without_a_lease_nothing_ends_a_step(self, bench: Bench) -> None:
        bench.executor.extend(SHORT, boot_time() - LIMIT)
        assert await bench.text(f"sleep {SHORT}; echo done") == "done\n"


def _needs_self_fencing(bench: Bench) -> None:
    if not bench.executor.self_fencing:
        pytest.skip("this executor does not promise to end steps by itself")
