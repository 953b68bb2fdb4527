"""The helper processes may be killed too: the step is then lost, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from local_processes import NASTY, alive, children, eventually, warden

from tidemill.spi import Reason
from tidemill.testing.executor.bench import Bench, Running


def keepers() -> list[int]:
    return children(warden(), "tide-keeper")


def warden_alone() -> list[int]:
    return [warden()]


def everybody() -> list[int]:
    return [warden(), *keepers()]


def keepers_first() -> list[int]:
    return [*keepers(), warden()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def start_nasty(bench: Bench, mark: str) -> Running:
    running = await bench.start(NASTY + "echo ready; sleep 1000", env={"MARK": mark})
    await running.says(b"ready")
    return running


@pytest.mark.parametrize("victims", [keepers, warden_alone])
async def test_a_killed_helper_loses_its_steps_and_leaves_nothing(
    bench: Bench, mark: str, victims: Callable[[], list[int]]
) -> None:
    steps = [await start_nasty(bench, mark) for _ in range(2)]
    for pid in victims():
        os.kill(pid, signal.SIGKILL)
    outcomes = [await step.end() for step in steps]
    assert [outcome.reason for outcome in outcomes] == [Reason.LOST] * 2
    assert all("killed" in outcome.detail for outcome in outcomes)
    assert alive(mark) == []


@pytest.mark.parametrize("victims", [everybody, keepers_first])
async def test_what_lost_all_its_helpers_is_found_by_its_environment(
    bench: Bench, victims: Callable[[], list[int]]
) -> None:
    running = await bench.start("trap '' TERM; setsid sleep 1000 & echo ready; sleep 1000")
    await running.says(b"ready")
    for pid in victims():
        os.kill(pid, signal.SIGKILL)
    assert (await running.end()).reason is Reason.LOST
    await bench.assert_gone()


@pytest.mark.parametrize("victims", [keepers, warden_alone, everybody])
async def test_the_next_steps_run_as_if_nothing_had_happened(
    bench: Bench, victims: Callable[[], list[int]]
) -> None:
    running = await bench.start("echo ready; sleep 1000")
    await running.says(b"ready")
    assert await bench.text("echo idle now") == "idle now\n"
    killed = victims()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not any(map(runs, killed)))
    assert await bench.text("echo next") == "next\n"
    assert (await running.end()).reason is Reason.LOST
    assert await bench.text("echo last") == "last\n"


async def test_output_before_the_kill_is_kept(bench: Bench) -> None:
    running = await bench.start("echo kept; sleep 1000")
    await running.says(b"kept")
    (keeper,) = keepers()
    os.kill(keeper, signal.SIGKILL)
    await running.end()
    assert running.output == b"kept\n"


async def test_a_keeper_that_is_asked_to_end_takes_its_tree_with_it(
    bench: Bench, mark: str
) -> None:
    running = await start_nasty(bench, mark)
    (keeper,) = keepers()
    os.kill(keeper, signal.SIGTERM)
    assert (await running.end()).reason is Reason.LOST
    assert alive(mark) == []


async def test_closing_right_after_a_kill_clears_up_all_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    running = await bench.start("echo ready; sleep 1000")
    await running.says(b"ready")
    (keeper,) = keepers()
    helper = warden()
    os.kill(keeper, signal.SIGKILL)
    async with asyncio.timeout(60):
        await bench.executor.close()
    assert not (await running.end()).ok
    await bench.assert_gone()
    assert eventually(lambda: not Path(f"/proc/{helper}").exists())
    assert list((tmp_path / "scratch").glob("*")) == []
