"""`runs`, `status` and `logs` of what has run, and of what runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]
Start = Callable[..., Any]  # gives a Running of conftest.py

RELEASE = """
  param version: string = "dev"
  step build {
    run = "echo making; echo digest=abc >> $TIDE_OUTPUT"
    output digest: string
  }
  step unit for v in ["3.11", "3.12"] { run = "echo testing {{ v }} {{ build.digest }}" }
  step ship { needs = [unit], run = "echo no; exit 4" }
"""


@pytest.fixture
def ran(tidemill: Tidemill, tide: Tide) -> Tidemill:
    tide(RELEASE)
    assert tidemill("run", "x.tide", "-p", "version=1.2").returncode == 1
    return tidemill


@pytest.mark.parametrize("arguments", [["status"], ["logs"], ["retry"]])
def test_without_runs_the_way_to_one_is_told(tidemill: Tidemill, arguments: list[str]) -> None:
    done = tidemill(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there are no runs yet in ")
    assert done.stderr.endswith("help: tidemill run FILE makes one\n")


def test_an_empty_list_of_runs_is_no_failure(tidemill: Tidemill) -> None:
    done = tidemill("runs")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(tidemill("runs", "--json").stdout) == []


@pytest.mark.parametrize("arguments", [["status", "99"], ["logs", "99"], ["cancel", "99"]])
def test_an_unknown_run_is_said_to_be_so(ran: Tidemill, arguments: list[str]) -> None:
    done = ran(*arguments)
    assert done.returncode == 2
    assert done.stderr == (
        "error: there is no run 99\nhelp: the latest is 1; `tidemill runs` lists them\n"
    )


def test_runs_are_listed_with_the_latest_first(ran: Tidemill, tide: Tide) -> None:
    tide('step a { run = "true" }', "other.tide")
    ran("run", "other.tide")
    head, first, second = ran("runs").stdout.splitlines()
    assert head.split()[:3] == ["run", "pipeline", "state"]
    assert first.split()[:3] == ["2", "demo", "succeeded"]
    assert second.split()[:3] == ["1", "demo", "failed"]
    assert [run["number"] for run in json.loads(ran("runs", "--json").stdout)] == [2, 1]
    assert len(json.loads(ran("runs", "--limit", "1", "--json").stdout)) == 1


def test_status_shows_run_tasks_outputs_and_the_way_on(ran: Tidemill) -> None:
    text = ran("status").stdout
    assert text.startswith("demo #1 failed in ")
    assert 'version = "1.2"' in text
    rows = [line.split() for line in text.splitlines()]
    assert ["✓", "build", "succeeded"] in [row[:3] for row in rows]
    assert ["✗", "ship", "failed"] in [row[:3] for row in rows]
    assert 'build.digest = "abc"' in text
    assert text.endswith("retry what failed: tidemill retry 1\n")


def test_status_as_json_holds_everything(ran: Tidemill) -> None:
    found = json.loads(ran("status", "1", "--json").stdout)
    assert (found["number"], found["state"]) == (1, "failed")
    tasks = {task["task"]: task for task in found["tasks"]}
    assert list(tasks) == ["build", "unit[3.11]", "unit[3.12]", "ship"]
    assert tasks["build"]["outputs"] == {"digest": "abc"}
    assert tasks["ship"]["exit_code"] == 4


def test_a_retry_takes_over_what_succeeded(ran: Tidemill) -> None:
    done = ran("retry", "1")
    assert done.returncode == 1
    assert "demo #2: 4 tasks, again what run 1 left" in done.stdout
    assert "build succeeded in run 1" in done.stdout
    text = ran("status").stdout
    assert "retry of run 1" in text
    assert "taken from run 1" in text


def test_logs_of_one_task_are_what_it_printed(ran: Tidemill) -> None:
    assert ran("logs", "1", "build").stdout == "making\n"
    assert ran("logs", "build").stdout == "making\n"
    assert ran("logs", "1", "unit[3.12]").stdout == "testing 3.12 abc\n"


def test_logs_of_several_tasks_are_prefixed(ran: Tidemill) -> None:
    assert ran("logs", "unit").stdout == (
        "unit[3.11] | testing 3.11 abc\nunit[3.12] | testing 3.12 abc\n"
    )
    assert ran("logs").stdout.splitlines()[0] == "build | making"
    assert ran("logs").stdout.splitlines()[-1] == "ship | no"


def test_logs_of_what_a_retry_took_over_are_found(ran: Tidemill) -> None:
    ran("retry")
    assert ran("logs", "2", "build").stdout == "making\n"


def test_an_unknown_step_gets_a_suggestion(ran: Tidemill) -> None:
    done = ran("logs", "1", "biuld")
    assert done.returncode == 2
    assert done.stderr == (
        "error: run 1 has no step 'biuld'. Did you mean 'build'?\n"
        "help: its steps are build, unit, ship\n"
    )


def test_following_shows_what_comes_until_the_run_ends(
    start: Start, tide: Tide, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    tide('step a { run = "echo first; cat gate" }\nstep b { needs = [a], run = "echo last" }')
    running = start("run", "x.tide")
    running.until("| first")
    following = start("logs", "-f")
    assert following.until("first") == "a | first"
    (tmp_path / "gate").write_text("second\n")
    assert following.end() == 0
    assert following.seen == ["a | first", "a | second", "b | last"]
    assert running.end() == 0


def test_following_a_run_that_has_ended_shows_it_and_ends(ran: Tidemill) -> None:
    assert ran("logs", "1", "-f").stdout == ran("logs", "1").stdout


def test_every_attempt_has_a_log_of_its_own(tidemill: Tidemill, tide: Tide) -> None:
    tide(
        """step a {
  run = "echo try $(ls | wc -l); touch mark.$(ls | wc -l); test $(ls mark.* | wc -l) -gt 1"
  retry { attempts = 2, backoff = 1ms }
}"""
    )
    done = tidemill("run", "x.tide")
    assert done.returncode == 0
    assert "a started (attempt 2/2)" in done.stdout
    first, second = (tidemill("logs", "a", "--attempt", n).stdout for n in "12")
    assert first.startswith("try")
    assert second.startswith("try")
    assert tidemill("logs", "a").stdout == second
    assert tidemill("logs", "-f", "a").stdout == first + second


def test_the_doctor_finds_nothing_wrong_here(tidemill: Tidemill) -> None:
    done = tidemill("doctor")
    assert done.returncode == 0, done.stdout
    assert all(line.startswith(("ok", "note", " ")) for line in done.stdout.splitlines())
    assert all(set(check) == {"name", "ok", "detail", "hint"} for check in
               json.loads(tidemill("doctor", "--json").stdout))  # fmt: skip
