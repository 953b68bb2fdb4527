"""Approvals from end to end: a run that waits, and a second process that decides."""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]
Start = Callable[..., Any]  # gives a Running of conftest.py

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
GATED = """
  step a { run = "echo made" }
  step ok { needs = [a], approve { prompt = "Ship it?" } }
  step b { needs = [ok], run = "echo shipped" }
"""


def waiting(start: Start, *arguments: str) -> Any:
    running = start("run", "x.tide", *arguments)
    running.until("waits for approval")
    return running


def tasks(tidemill: Tidemill, run: int = 1) -> dict[str, dict[str, Any]]:
    shown = json.loads(tidemill("status", str(run), "--json").stdout)
    return {task["task"]: task for task in shown["tasks"]}


def test_another_process_approves_and_the_run_goes_on(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide(GATED)
    running = waiting(start)
    assert (
        running.seen[-1] == "ok waits for approval: Ship it? (asks anybody): tidemill approve 1 ok"
    )
    said = tidemill("approve", "1", "ok", "--reason", "looks\n good")
    assert (said.returncode, said.stdout) == (0, "ok of run 1 is approved\n")
    assert running.end() == 0
    assert "b | shipped" in running.seen
    ok = tasks(tidemill)["ok"]
    assert ok["detail"] == f"approved by {ME}: looks good"
    assert ok["approval"] == {"by": [], "prompt": "", "until": None, "command": ""}
    assert f"approved by {ME}: looks good" in tidemill("status").stdout


def test_a_rejection_fails_the_run(start: Start, tidemill: Tidemill, tide: Tide) -> None:
    tide(GATED)
    running = waiting(start)
    said = tidemill("approve", "ok", "--reject")
    assert said.stdout == "ok of run 1 is rejected\n"
    assert running.end() == 1
    assert any(line.endswith(f": rejected by {ME}") for line in running.seen)
    assert "b upstream failed: ok failed" in running.seen


def test_status_and_json_say_what_is_asked_and_how_to_answer(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide(
        """
  step ok for v in ["eu", "u s"] {
    approve { prompt = "Ship to {{ v }}?", by = ["release", "alice"], timeout = 1h }
  }
"""
    )
    running = start("run", "x.tide", "--json")
    events = [json.loads(running.until('"task"')) for _ in range(2)]
    assert {event["state"] for event in events} == {"awaiting_approval"}
    approval = events[1]["approval"]
    assert approval["by"] == ["release", "alice"]
    assert approval["prompt"] == "Ship to u s?"
    assert approval["command"] == "tidemill approve 1 'ok[u s]'"
    assert approval["until"] == pytest.approx(events[1]["at"] + 3600, abs=30)
    shown = tidemill("status").stdout
    assert "Ship to eu? (asks release or alice until 20" in shown
    assert "approve it: tidemill approve 1 'ok[u s]'" in shown
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 130
    assert {task["state"] for task in tasks(tidemill).values()} == {"cancelled"}


@pytest.mark.parametrize("name", [ME, MY_GROUP])
def test_the_user_and_their_groups_are_what_the_system_says(
    start: Start, tidemill: Tidemill, tide: Tide, clean_environment: dict[str, str], name: str
) -> None:
    tide(f'step ok {{ approve {{ by = ["{name}"] }} }}')
    running = waiting(start)
    env = {**clean_environment, "USER": "mallory", "LOGNAME": "mallory"}
    assert tidemill("approve", "ok", env=env).returncode == 0
    assert running.end() == 0
    assert tasks(tidemill)["ok"]["detail"] == f"approved by {ME}"


def test_who_is_not_named_is_refused_whatever_the_environment_says(
    start: Start, tidemill: Tidemill, tide: Tide, clean_environment: dict[str, str]
) -> None:
    tide('step ok { approve { by = ["no-such-user"] } }')
    running = waiting(start)
    env = {**clean_environment, "USER": "no-such-user", "LOGNAME": "no-such-user"}
    refused = tidemill("approve", "ok", env=env)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"error: {ME} may not decide on ok",
        "help: these users and groups may: no-such-user",
    ]
    assert tidemill("cancel", "1").returncode == 0
    assert running.end() == 130


def test_a_decision_outlives_the_process_that_waited(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide(GATED)
    running = waiting(start)
    running.process.kill()
    running.process.wait()
    said = tidemill("approve", "ok")
    assert said.stdout == (
        "ok of run 1 is approved; nobody drives the run now: `tidemill retry 1` goes on with it\n"
    )
    again = tidemill("approve", "ok", "--reject")
    assert again.returncode == 2
    assert f"ok was approved by {ME} already" in again.stderr
    gone_on = tidemill("retry", "1")
    assert gone_on.returncode == 0, gone_on.stderr
    assert "b | shipped" in gone_on.stdout
    assert "a | made" not in gone_on.stdout
    assert {task["state"] for task in tasks(tidemill).values()} == {"succeeded"}


def test_a_run_taken_over_goes_on_waiting(start: Start, tidemill: Tidemill, tide: Tide) -> None:
    tide(GATED)
    running = waiting(start)
    running.process.kill()
    running.process.wait()
    again = start("retry")
    again.until("waits for approval")
    assert tidemill("approve", "1", "ok").stdout == "ok of run 1 is approved\n"
    assert again.end() == 0


def test_a_time_limit_that_passed_while_nobody_looked_has_passed(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide('step ok { approve { by = ["no-such-user"], timeout = 1s } }')
    running = waiting(start)
    running.process.kill()
    running.process.wait()
    while "the time to decide on ok is over" not in (late := tidemill("approve", "ok")).stderr:
        assert "may not decide" in late.stderr
    assert tidemill("retry").returncode == 1
    assert tasks(tidemill)["ok"]["state"] == "timed_out"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: no step given"),
        (("9", "ok"), "error: there is no run 9"),
        (("1", "okk"), "error: run 1 has ended"),
        (("nine", "ok"), "'nine' is not the number of a run"),
    ],
)
def test_bad_questions_get_one_line(
    tidemill: Tidemill, tide: Tide, arguments: tuple[str, ...], message: str
) -> None:
    tide('step ok { run = "true" }')
    assert tidemill("run", "x.tide").returncode == 0
    refused = tidemill("approve", *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_dry_run_says_whom_it_would_ask(tidemill: Tidemill, tide: Tide) -> None:
    tide('step ok { approve { by = ["alice", "release"] } }\n  step any { approve }')
    shown = tidemill("run", "x.tide", "--dry-run").stdout
    assert "would ask alice or release" in shown
    assert "would ask anybody" in shown


def test_a_selection_asks_only_what_it_names(start: Start, tidemill: Tidemill, tide: Tide) -> None:
    tide(GATED)
    around = tidemill("run", "x.tide", "--only", "b")
    assert around.returncode == 0
    assert tasks(tidemill)["ok"]["state"] == "skipped"
    running = waiting(start, "--only", "ok")
    assert tidemill("approve", "2", "ok").returncode == 0
    assert running.end() == 0


def test_a_retry_does_not_ask_again_what_was_approved(
    start: Start, tidemill: Tidemill, tide: Tide
) -> None:
    tide('step ok { approve }\n  step b { needs = [ok], run = "test -e there" }')
    running = waiting(start)
    tidemill("approve", "ok", "--reason", "fine")
    assert running.end() == 1
    (tide("").parent / "there").touch()
    assert tidemill("retry").returncode == 0
    ok = tasks(tidemill, 2)["ok"]
    assert (ok["state"], ok["carried_from"]) == ("succeeded", 1)
    assert ok["detail"] == f"approved by {ME}: fine"
