"""The executors of a worker are told how long their steps may be at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.app.executors import InstalledExecutors
from tidemill.spi import Reason, ScriptAction, Work, boot_time
from tidemill.testing.executor.bench import RecordingIO


async def run(executors: InstalledExecutors, project: Path) -> Reason:
    executor = executors.get("local")
    work = Work("1", 1, "step", 1, 1, ScriptAction("sleep 0.2"), project)
    outcome = await executor.wait(await executor.start(work, RecordingIO()))
    await executors.close()
    return outcome.reason


async def test_one_that_is_made_late_is_told_too(tmp_path: Path) -> None:
    executors = InstalledExecutors(tmp_path / "scratch", leased=True)
    executors.extend(0.0, boot_time())
    assert await run(executors, tmp_path) is Reason.LOST


async def test_nothing_ends_the_steps_of_one_that_is_not_leased(tmp_path: Path) -> None:
    executors = InstalledExecutors(tmp_path / "scratch")
    executors.extend(0.0, boot_time())
    assert await run(executors, tmp_path) is Reason.EXITED


async def test_one_that_cannot_be_told_costs_the_worker_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object, seconds: float, since: float) -> None:
        raise ZeroDivisionError(f"{self} {seconds} {since}")

    monkeypatch.setattr("tidemill_local.executor.LocalExecutor.extend", broken)
    executors = InstalledExecutors(tmp_path / "scratch", leased=True)
    executors.extend(60.0, boot_time())
    assert await run(executors, tmp_path) is Reason.EXITED
    assert "executor 'local' cannot be told" in caplog.text
