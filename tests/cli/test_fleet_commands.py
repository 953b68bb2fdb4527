"""The fleet's commands on bad input: one clear line, the documented code, nothing half done."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

GOOD = 'pipeline p { param n: int = 1\n  step a { run = "echo {{ n }}" }\n}\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scheduler"], "a scheduler needs a PostgreSQL and a NATS"),
        (["worker"], "a worker needs a NATS"),
        (["worker", "--nats", "nats://127.0.0.1:1", "--label", "x"], "NAME=VALUE"),
        (["worker", "--nats", "nats://x", "--health", "here"], "HOST:PORT"),
        (["db", "upgrade"], "which database?"),
        (["db", "upgrade", "--postgres", "mysql://x/y"], "not one of PostgreSQL"),
        (["apply"], "no file given"),
        (["apply", "gone.tide"], "gone.tide"),
        (["trigger", "p"], "there is no pipeline 'p'"),
    ],
)
def test_a_wrong_request_is_said_in_a_line(
    tidemill: Tidemill, arguments: list[str], said: str
) -> None:
    done = tidemill(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_with_a_mistake_applies_nothing_of_all_files(
    tidemill: Tidemill, tmp_path: Path
) -> None:
    (tmp_path / "good.tide").write_text(GOOD)
    (tmp_path / "bad.tide").write_text("pipeline q { step a { run = 1 } }")
    done = tidemill("apply", "good.tide", "bad.tide")
    assert done.returncode == 1
    assert "error[T" in done.stderr
    assert "there is no pipeline 'p'" in tidemill("trigger", "p").stderr


def test_two_files_with_one_pipeline_are_refused(tidemill: Tidemill, tmp_path: Path) -> None:
    for name in ("a.tide", "b.tide"):
        (tmp_path / name).write_text(GOOD)
    done = tidemill("apply", "a.tide", "b.tide")
    assert done.returncode == 2
    assert "both have a pipeline p" in done.stderr


def test_what_was_applied_says_what_changed(tidemill: Tidemill, tmp_path: Path) -> None:
    file = tmp_path / "p.tide"
    file.write_text(GOOD)
    changes = []
    for text in (GOOD, GOOD, GOOD.replace("echo", "echo n is")):
        file.write_text(text)
        changes += [
            one["change"] for one in json.loads(tidemill("apply", str(file), "--json").stdout)
        ]
    assert changes == ["new", "unchanged", "changed"]


def test_params_are_checked_before_a_run_is_made(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    tidemill("apply", "p.tide")
    done = tidemill("trigger", "p", "-p", "n=many")
    assert done.returncode == 2
    assert "param n" in done.stderr
    assert "did you mean p?" in tidemill("trigger", "pp").stderr
    made = tidemill("trigger", "p", "-p", "n=2", "--json")
    assert json.loads(made.stdout) == {"run": 1, "pipeline": "p"}
    assert json.loads(tidemill("status", "1", "--json").stdout)["state"] == "pending"


def test_a_run_that_no_scheduler_has_seen_can_be_cancelled(
    tidemill: Tidemill, tmp_path: Path
) -> None:
    (tmp_path / "p.tide").write_text(GOOD)
    tidemill("apply", "p.tide")
    tidemill("trigger", "p")
    assert "as soon as a scheduler is up" in tidemill("cancel", "1").stdout


def test_a_misspelt_key_of_the_configuration_is_told(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").write_text('[fleet]\npostgress = "x"\n')
    done = tidemill("runs")
    assert done.returncode == 2
    assert "postgress" in done.stderr
    assert "did you mean postgres?" in done.stderr


def test_a_fleet_that_cannot_be_reached_is_said_so_without_passwords(
    tidemill: Tidemill, clean_environment: dict[str, str]
) -> None:
    url = "postgresql://anna:hunter2@127.0.0.1:1/tide"
    done = tidemill("runs", env={**clean_environment, "TIDEMILL_POSTGRES": url})
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "hunter2" not in done.stderr
    own = tidemill("--local", "runs", env={**clean_environment, "TIDEMILL_POSTGRES": url})
    assert "hunter2" not in own.stderr
    assert own.returncode != 3
