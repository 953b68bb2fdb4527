"""Helpers when the time of their steps ends: those that stand still, and those at rest."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from local_processes import alive, children, warden

from tidemill.spi import Reason, boot_time
from tidemill.testing.executor.bench import LIMIT, Bench

SECONDS = 0.3
MANY = 400
"""More than a socket of this kind takes in, which is some 280."""


async def test_a_step_whose_time_ended_unseen_is_not_brought_back(leased: Bench, mark: str) -> None:
    """All helpers sleep through it, and the timer is set anew before they wake."""
    running = await leased.start("echo ready; sleep 1000", env={"MARK": mark})
    await running.says(b"ready")
    helpers = [warden(), *children(warden(), "tide-keeper")]
    for pid in helpers:
        os.kill(pid, signal.SIGSTOP)
    leased.executor.extend(SECONDS, boot_time())
    await asyncio.sleep(2 * SECONDS)  # the length is the test
    leased.executor.extend(LIMIT, boot_time())
    assert alive(mark) != []
    for pid in helpers:
        os.kill(pid, signal.SIGCONT)
    assert (await running.end()).reason is Reason.LOST
    assert alive(mark) == []


async def test_the_switch_goes_off_again_and_again(leased: Bench, mark: str) -> None:
    """A stopped keeper is woken each time."""
    for _ in range(3):
        leased.executor.extend(LIMIT, boot_time())
        running = await leased.start("echo ready; sleep 1000", env={"MARK": mark})
        await running.says(b"ready")
        for pid in children(warden(), "tide-keeper"):
            os.kill(pid, signal.SIGSTOP)
        leased.executor.extend(SECONDS, boot_time())
        assert (await running.end()).reason is Reason.LOST
        assert alive(mark) == []


async def test_helpers_are_at_rest_when_the_time_is_over(leased: Bench) -> None:
    await leased.text("echo an idle keeper")
    leased.executor.extend(0, boot_time())
    helpers = [warden(), *children(warden(), "tide-keeper")]
    await asyncio.sleep(SECONDS)  # a loop that never waits would use all of it
    before = cpu_seconds(helpers)
    await asyncio.sleep(SECONDS)
    assert cpu_seconds(helpers) - before < SECONDS / 10


async def test_more_steps_than_a_busy_warden_can_be_asked_for_all_run(bench: Bench) -> None:
    """It forks one keeper after the other: what it has no room for waits, and so does nobody
    else."""
    await bench.text("echo it is up")
    os.kill(warden(), signal.SIGSTOP)
    starts = [asyncio.create_task(bench.start("true")) for _ in range(MANY)]
    await asyncio.sleep(SECONDS)
    os.kill(warden(), signal.SIGCONT)
    running = await asyncio.gather(*starts)
    outcomes = await asyncio.gather(*(each.end() for each in running))
    assert all(outcome.ok for outcome in outcomes)


def cpu_seconds(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")
