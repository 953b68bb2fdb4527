"""Ctrl-C, SIGTERM, SIGHUP and `cancel`: real signals to real processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]
Start = Callable[..., Any]  # gives a Running of conftest.py

PATIENT = """
  step a { run = "echo pid $$; exec sleep 600" }
  step b { needs = [a], run = "true" }
"""
STUBBORN = r"""
  step a { run = r"trap 'echo no' TERM; echo pid $$; while :; do sleep 0.05 || :; done" }
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_cleanly_and_says_how_to_go_on(
    start: Start, tidemill: Tidemill, tide: Tide, number: int, code: int
) -> None:
    tide(PATIENT)
    running = start("run", "x.tide")
    pid = int(running.until("| pid").split()[-1])
    running.process.send_signal(number)
    assert running.end() == code
    assert running.errors() == "Cancelling (Ctrl-C again to kill at once)\n"
    assert running.seen[-1] == "go on with the rest: tidemill retry 1"
    assert not alive(pid)
    assert tidemill("status").stdout.startswith("demo #1 cancelled")


def test_a_second_ctrl_c_kills_what_does_not_end(start: Start, tide: Tide) -> None:
    tide(STUBBORN)
    running = start("run", "x.tide")
    pid = int(running.until("| pid").split()[-1])
    running.process.send_signal(signal.SIGINT)
    running.until("| no")
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 130
    assert "Killing what still runs" in running.errors()
    assert not alive(pid)


def test_cancel_reaches_a_run_of_another_process(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide(PATIENT)
    running = start("run", "x.tide")
    pid = int(running.until("| pid").split()[-1])
    done = tidemill("cancel", "1")
    assert (done.returncode, done.stdout) == (0, "run 1 is being cancelled\n")
    assert running.end() == 130
    assert not alive(pid)
    again = tidemill("cancel", "#1")
    assert again.returncode == 2
    assert again.stderr.startswith("error: run 1 has ended")


def test_a_killed_run_is_told_as_interrupted_and_retry_finishes_it(
    start: Start, tidemill: Tidemill, tide: Tide, tmp_path: Path
) -> None:
    tide(
        """
  step a { run = "echo ran >> a.txt" }
  step b { needs = [a], run = "test -e go || { echo pid $$; exec sleep 600; }" }
"""
    )
    running = start("run", "x.tide")
    running.until("| pid")
    running.process.kill()
    running.process.wait()
    status = tidemill("status")
    assert status.stdout.startswith("demo #1 interrupted")
    assert "go on with it: tidemill retry 1" in status.stdout
    assert "interrupted" in tidemill("runs").stdout
    (tmp_path / "go").touch()
    done = tidemill("retry")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "a.txt").read_text() == "ran\n"
