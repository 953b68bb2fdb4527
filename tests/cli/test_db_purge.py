"""`tidemill db purge` and what `tidemill.toml` says of keeping."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]

STEPS = """
  step make {
    run = "echo making; echo digest=abc >> $TIDE_OUTPUT"
    output digest: string
  }
  step use { run = "echo {{ make.digest }}" }
"""


@pytest.fixture
def ran(tidemill: Tidemill, tide: Tide) -> Tidemill:
    tide(STEPS)
    for _ in range(3):
        assert tidemill("run", "x.tide").returncode == 0
    return tidemill


def numbers(tidemill: Tidemill) -> list[int]:
    return [run["number"] for run in json.loads(tidemill("runs", "--json").stdout)]


def test_a_dry_run_says_what_would_go_and_removes_nothing(ran: Tidemill) -> None:
    done = ran("db", "purge", "--keep", "1", "--dry-run")
    assert done.stdout.splitlines()[-1] == "2 runs would be removed"
    assert done.stdout.splitlines()[0].split() == ["pipeline", "runs", "tasks"]
    found = json.loads(ran("db", "purge", "--keep", "2", "--dry-run", "--json").stdout)
    assert list(found["pipelines"].values()) == [{"runs": 1, "tasks": 2}]
    assert numbers(ran) == [3, 2, 1]


def test_what_is_purged_is_gone_with_its_files(ran: Tidemill, tmp_path: Path) -> None:
    done = ran("db", "purge", "--older-than", "0s")
    assert done.stdout.splitlines()[-1] == "2 runs removed"
    assert numbers(ran) == [3]
    assert [path.name for path in (tmp_path / ".tidemill" / "runs").iterdir()] == ["3"]
    assert "there is no run 1" in ran("status", "1").stderr
    assert "there is no run 1" in ran("retry", "1").stderr
    assert ran("db", "purge", "--keep", "1").stdout == "nothing is to be removed\n"
    assert ran("run", "x.tide", "--only", "use").returncode == 0, "the latest success is there"


def test_logs_of_what_was_taken_from_a_run_that_is_gone_do_without(ran: Tidemill) -> None:
    assert ran("run", "x.tide", "--only", "use").returncode == 0
    assert ran("run", "x.tide").returncode == 0
    ran("db", "purge", "--keep", "2")
    assert numbers(ran) == [5, 4]
    assert "taken from run 3" in ran("status", "4").stdout
    done = ran("logs", "4")
    assert (done.returncode, done.stdout) == (0, "use | abc\n")


def test_without_a_limit_nothing_is_purged(ran: Tidemill) -> None:
    done = ran("db", "purge")
    assert done.returncode == 2
    assert "error: purge what?" in done.stderr
    assert "--older-than 30d" in done.stderr


def test_the_file_the_environment_and_options_say_what_is_kept(
    ran: Tidemill, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    (tmp_path / "tidemill.toml").write_text('[keep]\nage = "90d"\nruns = 2\n')
    assert "1 run would" in ran("db", "purge", "--dry-run").stdout
    env = {**clean_environment, "TIDEMILL_KEEP_RUNS": "1"}
    assert "2 runs would" in ran("db", "purge", "--dry-run", env=env).stdout
    assert "nothing" in ran("db", "purge", "--dry-run", "--keep", "3", env=env).stdout


def test_a_run_on_this_machine_tidies_up_at_its_end(ran: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").write_text('[keep]\nage = "0s"\n')
    assert ran("run", "x.tide").returncode == 0
    assert numbers(ran) == [4, 3, 2, 1], "they are too young"
    with sqlite3.connect(tmp_path / ".tidemill" / "tidemill.db") as database:
        database.execute("UPDATE run SET ended_at = ended_at - 100 WHERE number > 1")
        database.execute("UPDATE run SET ended_at = ended_at - 200 WHERE number = 1")
    database.close()
    assert ran("run", "x.tide").returncode == 0
    assert numbers(ran) == [5]
    assert [path.name for path in (tmp_path / ".tidemill" / "runs").iterdir()] == ["5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[keep]\nage = "soon"\n', "keep.age is 'soon', which is no duration"),
        ("[keep]\nage = 30\n", "keep.age is 30"),
        ("[keep]\nruns = 0\n", "keep.runs is 0, which is no number of runs"),
        ("[keep]\nruns = true\n", "keep.runs is True"),
        ("[keep]\ndays = 3\n", "keep has no key days"),
        ("keep = 3\n", "keep is no table"),
    ],
)
def test_a_wrong_setting_is_said_in_a_line(
    tidemill: Tidemill, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "tidemill.toml").write_text(text)
    done = tidemill("db", "purge")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert tidemill("scheduler").returncode == 2


def test_a_wrong_option_is_said_in_a_line(tidemill: Tidemill) -> None:
    done = tidemill("db", "purge", "--older-than", "yesterday")
    assert done.returncode == 2
    assert "--older-than is 'yesterday', which is no duration" in done.stderr
    assert tidemill("db", "purge", "--keep", "0").returncode == 2


def test_a_project_without_a_database_has_nothing_to_purge(tidemill: Tidemill) -> None:
    assert tidemill("db", "purge", "--keep", "1").stdout == "nothing is to be removed\n"
