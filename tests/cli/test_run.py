"""`tidemill run` as people and CI use it: real processes, the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]
Start = Callable[..., Any]  # gives a Running of conftest.py

TWO_STEPS = """
  param who: string = "world"
  step build {
    run = "echo hello {{ who }}"
  }
  step unit for v in ["3.11", "3.12"] {
    needs = [build]
    run = "echo testing {{ v }}"
  }
"""


def test_a_run_prints_prefixed_lines_and_ends_with_0(tidemill: Tidemill, tide: Tide) -> None:
    tide(TWO_STEPS)
    done = tidemill("run", "x.tide", "-p", "who=you")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "demo #1: 3 tasks"
    assert "build | hello you" in lines
    assert "unit[3.12] | testing 3.12" in lines
    assert lines[-1].startswith("demo #1 succeeded in ")
    assert lines[-1].endswith(": 3 succeeded")


def test_a_failure_tells_the_step_its_lines_and_the_way_on(tidemill: Tidemill, tide: Tide) -> None:
    tide('step a { run = "echo before; exit 3" }\nstep b { needs = [a], run = "true" }')
    done = tidemill("run", "x.tide")
    assert done.returncode == 1
    report = done.stdout.partition("demo #1 failed")[2].splitlines()[1:]
    assert report[1].startswith("a failed after ")
    assert report[1].endswith(": exit code 3")
    assert report[2:] == [
        "  | before",
        "full log: tidemill logs 1 a",
        "",
        "retry what failed: tidemill retry 1",
    ]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("no_such_command_here", "exit code 127 (command not found)"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -TERM $$", "killed by SIGTERM"),
    ],
)
def test_an_ending_is_told_in_words(
    tidemill: Tidemill, tide: Tide, script: str, reason: str
) -> None:
    tide(f'step a {{ run = "{script}" }}')
    assert reason in tidemill("run", "x.tide").stdout


def test_a_time_out_is_told_in_words(tidemill: Tidemill, tide: Tide) -> None:
    tide('step a { run = "sleep 60", timeout = 200ms }')
    done = tidemill("run", "x.tide")
    assert done.returncode == 1
    assert "a timed out after " in done.stdout
    assert "stopped after 0.2 s" in done.stdout


def test_json_has_an_object_a_line_and_nothing_else(tidemill: Tidemill, tide: Tide) -> None:
    tide(TWO_STEPS)
    done = tidemill("run", "x.tide", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (events[0]["event"], events[0]["number"]) == ("run", 1)
    assert [e["task"] for e in events[1:4]] == ["build", "unit[3.11]", "unit[3.12]"]
    assert ("build", "hello world") in {
        (e["task"], e["text"]) for e in events if e["event"] == "output"
    }
    assert (events[-1]["event"], events[-1]["state"]) == ("run", "succeeded")
    ended = {e["task"] for e in events if e["event"] == "task" and e["state"] == "succeeded"}
    assert ended == {"build", "unit[3.11]", "unit[3.12]"}


def test_a_dry_run_shows_the_plan_and_stores_nothing(
    tidemill: Tidemill, tide: Tide, tmp_path: Path
) -> None:
    tide(TWO_STEPS)
    done = tidemill("run", "x.tide", "--dry-run", "--until", "build")
    assert done.stdout == (
        "demo would run 1 task; nothing has been run\n"
        '  who = "world"\n'
        "task                      needs\n"
        "build       would run\n"
        "unit[3.11]  not selected  build\n"
        "unit[3.12]  not selected  build\n"
    )
    assert not (tmp_path / ".tidemill" / "runs").exists()
    plan = json.loads(tidemill("run", "x.tide", "--dry-run", "--json").stdout)
    assert [task["task"] for task in plan["tasks"]] == ["build", "unit[3.11]", "unit[3.12]"]


def test_mistakes_of_the_file_are_shown_and_nothing_runs(tidemill: Tidemill, tide: Tide) -> None:
    tide('step a { run = "echo {{ missing }}" }')
    done = tidemill("run", "x.tide")
    assert (done.returncode, done.stdout) == (1, "")
    assert "x.tide:2" in done.stderr
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_pipelines_are_listed(tidemill: Tidemill, tmp_path: Path) -> None:
    step = '{ step a { run = "true" } }'
    (tmp_path / "x.tide").write_text(f"pipeline one {step}\npipeline two {step}\n")
    done = tidemill("run", "x.tide")
    assert done.returncode == 2
    assert "one, two" in done.stderr
    assert tidemill("run", "x.tide", "--pipeline", "two").returncode == 0


def test_a_misspelt_step_gets_a_suggestion(tidemill: Tidemill, tide: Tide) -> None:
    tide(TWO_STEPS)
    done = tidemill("run", "x.tide", "--only", "biuld")
    assert done.returncode == 2
    assert "build" in done.stderr


def test_output_that_would_move_the_cursor_does_not_get_out(tidemill: Tidemill, tide: Tide) -> None:
    tide(r"""step a { run = r"printf '\033]0;owned\007\033[2Jsafe\377\n10%%\r100%%\n'" }""")
    lines = tidemill("run", "x.tide").stdout.splitlines()
    assert "a | safe\ufffd" in lines
    assert "a | 100%" in lines


def test_a_reader_that_leaves_does_not_stop_the_run(
    tide: Tide, tidemill: Tidemill, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    tide(
        """
  step a { run = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done" }
  step b { needs = [a], run = "echo end > end.txt" }
"""
    )
    status = "echo ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m tidemill.cli run x.tide | head -1; {status}"],
        cwd=tmp_path,
        env=clean_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["demo #1: 2 tasks", "0"]
    assert done.stderr == ""
    assert (tmp_path / "end.txt").exists()
    assert "succeeded" in tidemill("status").stdout.splitlines()[0]


def test_a_full_disk_under_stdout_is_said(
    tide: Tide, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    tide('step a { run = "echo out > a.txt" }')
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tidemill.cli", "run", "x.tide"],
            cwd=tmp_path,
            env=clean_environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == "error: could not write to stdout: No space left on device\n"
    assert (tmp_path / "a.txt").exists()


def test_plain_lines_come_as_things_happen(start: Start, tide: Tide, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    tide('step a { run = "echo first; cat gate" }')
    running = start("run", "x.tide")
    assert running.until("| first") == "a | first"
    (tmp_path / "gate").write_text("second\n")
    assert running.until("| second") == "a | second"
    assert running.end() == 0


def test_no_colour_reaches_a_pipe(tidemill: Tidemill, tide: Tide) -> None:
    tide('step a { run = "exit 1" }')
    assert "\x1b" not in tidemill("run", "x.tide").stdout
