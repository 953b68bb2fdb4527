"""Pipelines as steps from end to end: what is shown of the runs below a run, and what other
processes can ask of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Any]  # gives a Running of conftest.py

FAILING = """
pipeline check {
  param folder: string
  step lint { run = "echo lint {{ folder }}" }
  step unit {
    needs = [lint]
    run   = "test -e {{ folder }}.ok || { echo no {{ folder }}.ok; exit 3; }"
  }
}

pipeline demo {
  step checks for each in ["a", "b"] = pipeline check(folder = each)
  step publish {
    needs = [checks]
    run   = "echo published"
  }
}
"""

ASKING = """
pipeline ask {
  step ok { approve { prompt = "Ship?" } }
  step a {
    needs = [ok]
    run   = "echo shipped"
  }
}

pipeline demo {
  step deploy = pipeline ask()
}
"""

RUN = ("run", "x.tide", "--pipeline", "demo")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], None]:
    return lambda text: (tmp_path / "x.tide").write_text(text) and None


@pytest.fixture
def failed(tidemill: Tidemill, write: Callable[[str], None], tmp_path: Path) -> str:
    """What a run prints of which the second check fails; its runs are 1, 2 and 3."""
    write(FAILING)
    (tmp_path / "a.ok").touch()
    ended = tidemill(*RUN)
    assert ended.returncode == 1, ended.stderr
    return ended.stdout


def test_the_tasks_below_are_shown_by_their_way(failed: str) -> None:
    lines = failed.splitlines()
    assert {"checks[a] started as run 2", "checks[b] started as run 3"} <= set(lines)
    assert "checks[b]/lint | lint b" in lines
    report = lines[lines.index("") :]
    assert report[1].startswith("checks[b]/unit failed after")
    assert report[2:4] == ["  | no b.ok", "full log: tidemill logs 1 'checks[b]/unit'"]
    assert report[-1] == "retry what failed: tidemill retry 1"
    assert sum("checks[b] failed" in line for line in report) == 0


def test_what_the_report_tells_to_do_works(failed: str, tidemill: Tidemill) -> None:
    assert failed
    assert tidemill("logs", "1", "checks[b]/unit").stdout == "no b.ok\n"
    why = tidemill("why", "1", "checks[b]/unit").stdout
    assert why == "checks[b]/unit of run 1 ran: it failed (exit code 3)\n"


def test_a_retry_does_again_only_what_failed_below(
    failed: str, tidemill: Tidemill, tmp_path: Path
) -> None:
    assert failed
    (tmp_path / "b.ok").touch()
    ended = tidemill("retry")
    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    assert "checks[a] succeeded in run 1" in lines
    assert "checks[b]/lint succeeded in run 3" in lines
    assert "publish | published" in lines
    logs = tidemill("logs").stdout.splitlines()
    assert "checks[b]/lint | lint b" in logs, "the log of what was taken over"


def test_status_and_runs_say_which_run_is_part_of_which(failed: str, tidemill: Tidemill) -> None:
    assert failed
    shown = json.loads(tidemill("status", "--json").stdout)
    tasks = {task["task"]: task for task in shown["tasks"]}
    assert (shown["number"], shown["parent"]) == (1, None)
    assert (tasks["checks[b]"]["child"], tasks["checks[b]"]["detail"]) == (3, "run 3 failed")
    assert (tasks["checks[b]"]["pipeline"], tasks["publish"]["pipeline"]) == ("check", None)
    assert tasks["checks[b]/unit"]["needs"] == ["checks[b]/lint"]
    below = json.loads(tidemill("status", "3", "--json").stdout)
    assert (below["pipeline"], below["parent"], below["params"]) == ("check", 1, {"folder": "b"})
    assert "part of run 1" in tidemill("status", "3").stdout
    assert [line.split()[-3:] for line in tidemill("runs").stdout.splitlines()[1:3]] == [
        ["part", "of", "1"],
        ["part", "of", "1"],
    ]


def test_a_dry_run_says_which_pipeline_a_step_would_run(
    tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(FAILING)
    shown = tidemill(*RUN, "--dry-run").stdout.splitlines()
    assert "checks[b]  would run pipeline check" in [line.rstrip() for line in shown]


def test_events_name_the_tasks_below_too(tidemill: Tidemill, write: Callable[[str], None]) -> None:
    write(FAILING)
    events = [json.loads(line) for line in tidemill(*RUN, "--json").stdout.splitlines()]
    assert {event["number"] for event in events if event["event"] == "run"} == {1}
    below = [event for event in events if event.get("task") == "checks[a]/lint"]
    assert [event["state"] for event in below if "state" in event][-1] == "succeeded"
    assert [event["text"] for event in below if "text" in event] == ["lint a"]
    delegated = next(event for event in events if event.get("state") == "delegated")
    assert delegated["child"] == 2


def test_a_person_decides_on_a_task_of_the_run_below(
    start: Start, tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(ASKING)
    running = start(*RUN)
    assert running.until("waits for approval").endswith("tidemill approve 2 ok")
    refused = tidemill("retry", "2")
    assert (refused.returncode, refused.stderr.splitlines()) == (
        2,
        ["error: run 2 is part of run 1", "help: `tidemill retry 1` goes on with it"],
    )
    assert tidemill("approve", "2", "ok").stdout == "ok of run 2 is approved\n"
    assert running.end() == 0
    assert "deploy/a | shipped" in running.seen


def test_the_run_of_a_step_can_be_cancelled_alone(
    start: Start, tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(ASKING)
    running = start(*RUN)
    running.until("waits for approval")
    assert tidemill("cancel", "2").stdout == "run 2 is being cancelled\n"
    assert running.end() == 1
    assert "deploy failed" in running.seen[-5] or any(
        "run 2 was cancelled" in line for line in running.seen
    )


def test_what_was_killed_asks_on_below_when_it_is_taken_up(
    start: Start, tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(ASKING)
    running = start(*RUN)
    running.until("waits for approval")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert "interrupted" in tidemill("status", "2").stdout
    stuck = tidemill("cancel", "2")
    assert (stuck.returncode, stuck.stderr.splitlines()[0]) == (
        2,
        "error: run 2 is part of run 1, which nobody drives",
    )
    said = tidemill("approve", "2", "ok").stdout
    assert said.endswith("nobody drives the run now: `tidemill retry 1` goes on with it\n")
    ended = tidemill("retry", "1")
    assert ended.returncode == 0, ended.stdout
    assert "deploy/a | shipped" in ended.stdout.splitlines()
    assert json.loads(tidemill("status", "1", "--json").stdout)["state"] == "succeeded"


def test_cancelling_a_killed_run_cancels_what_is_below_it(
    start: Start, tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(ASKING)
    running = start(*RUN)
    running.until("waits for approval")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert tidemill("cancel", "1").returncode == 0
    for run in ("1", "2"):
        assert json.loads(tidemill("status", run, "--json").stdout)["state"] == "cancelled"


def test_a_secret_that_only_a_run_below_needs_is_missed_before_anything_runs(
    tidemill: Tidemill, write: Callable[[str], None]
) -> None:
    write(
        """
pipeline below {
  param ask: bool
  step a {
    when = ask
    env { TOKEN = secret("PIPELINE_TOKEN") }
    run = "echo ran"
  }
}

pipeline demo {
  param ask: bool = true
  step first { run = "touch began" }
  step call = pipeline below(ask)
}
"""
    )
    missed = tidemill(*RUN)
    assert missed.returncode == 2
    assert "PIPELINE_TOKEN" in missed.stderr
    assert tidemill("runs", "--json").stdout.strip() == "[]"
    assert tidemill(*RUN, "-p", "ask=false").returncode == 0
