"""The clock of leases is one that nobody sets, and that a suspended machine does not stop."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tidemill.clock import SystemClock
from tidemill.spi import boot_time


def test_it_counts_all_the_time_since_the_machine_was_started() -> None:
    before = boot_time()
    uptime = float(Path("/proc/uptime").read_text().split()[0])  # cut to hundredths
    assert before - 0.01 <= uptime <= boot_time()


def test_an_hour_that_the_machine_was_suspended_for_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    monkeypatch.setattr("tidemill.clock.boot_time", lambda: boot_time() + 3600)
    assert clock.now() == pytest.approx(time.time() + 3600, abs=1)


def test_an_hour_that_the_system_time_is_set_by_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, before = SystemClock(), time.time()
    monkeypatch.setattr("time.time", lambda: before + 3600)
    assert clock.now() == pytest.approx(before, abs=1)
