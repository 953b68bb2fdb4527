"""`tidemill plan` and `apply`: what a change of files does is shown before it is done, and done
only as it was shown."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

NIGHTLY = """pipeline nightly {
  schedule "0 2 * * *" { timezone = "Europe/Berlin" }
  schedule 15m
  step build { run = "make" }
  step old { run = "true" }
}
"""
CHANGED = """pipeline nightly {
  concurrency = 1
  schedule "0 2 * * *" { timezone = "Europe/Berlin", overlap = queue }
  schedule "@hourly"
  step build {
    run     = "make all"
    timeout = 10m
  }
  step lint { run = "true" }
}
"""
OTHER = 'pipeline other { step a { run = "true" } }\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "nightly.tide").write_text(NIGHTLY)
    (folder / "other.tide").write_text(OTHER)
    return folder


def planned(tidemill: Tidemill, *arguments: str) -> dict[str, Any]:
    done = tidemill("plan", "pipelines", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def applied(tidemill: Tidemill, *arguments: str) -> dict[str, str]:
    done = tidemill("apply", *(arguments or ("pipelines",)), "--json")
    assert done.returncode == 0, done.stderr
    return {one["pipeline"]: one["change"] for one in json.loads(done.stdout)}


def there(tidemill: Tidemill) -> dict[str, Any]:
    return {row["pipeline"]: row for row in json.loads(tidemill("pipelines", "--json").stdout)}


@pytest.mark.usefixtures("files")
def test_what_is_new_is_shown_and_nothing_is_done(tidemill: Tidemill) -> None:
    done = tidemill("plan", "pipelines")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "+ pipeline nightly new, in pipelines/nightly.tide"
    assert lines[1].startswith("    + schedule 0 2 * * * Europe/Berlin, next ")
    assert lines[1].count(":00:00") == 3, "three times are shown"
    assert lines[2].startswith("    + schedule every 15m, next ")
    assert lines[3:] == [
        "    + step build",
        "    + step old",
        "+ pipeline other new, in pipelines/other.tide",
        "    + step a",
        "2 new",
    ]
    assert there(tidemill) == {}


def test_every_part_that_changed_is_named_with_what_changed(
    tidemill: Tidemill, files: Path
) -> None:
    applied(tidemill)
    (files / "nightly.tide").write_text(CHANGED)
    change, other = planned(tidemill)["pipelines"]
    assert (change["change"], change["what"], other["change"]) == (
        "changed",
        ["concurrency"],
        "unchanged",
    )
    parts = {(p["part"], p["name"]): (p["change"], p["what"]) for p in change["parts"]}
    assert parts == {
        ("schedule", "0 2 * * * Europe/Berlin"): ("changed", ["overlap"]),
        ("schedule", "0 * * * * UTC"): ("new", []),
        ("schedule", "every 15m"): ("gone", []),
        ("step", "build"): ("changed", ["run", "timeout"]),
        ("step", "lint"): ("new", []),
        ("step", "old"): ("gone", []),
    }
    text = tidemill("plan", "pipelines").stdout
    assert "    ~ step build: run, timeout\n" in text
    assert text.endswith("1 changed, 1 unchanged\n")


@pytest.mark.usefixtures("files")
def test_what_is_applied_already_is_nothing_to_do(tidemill: Tidemill) -> None:
    assert tidemill("plan", "pipelines", "--detailed-exitcode").returncode == 4
    assert applied(tidemill) == {"nightly": "new", "other": "new"}
    done = tidemill("plan", "pipelines", "--detailed-exitcode")
    assert (done.returncode, done.stdout) == (0, "2 unchanged, nothing to do\n")
    assert applied(tidemill) == {"nightly": "unchanged", "other": "unchanged"}


def test_a_pipeline_that_is_gone_stays_unless_it_is_to_be_pruned(
    tidemill: Tidemill, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "else.tide").write_text(OTHER.replace("other", "elsewhere"))
    applied(tidemill, "pipelines", "else.tide")
    run = json.loads(tidemill("trigger", "other", "--json").stdout)["run"]
    (files / "other.tide").unlink()
    done = tidemill("plan", "pipelines")
    assert "! pipeline other is in pipelines/other.tide no more, and stays" in done.stdout
    assert done.stdout.endswith("1 unchanged, nothing to do\n")
    assert applied(tidemill) == {"nightly": "unchanged"}
    assert "- pipeline other gone" in tidemill("plan", "pipelines", "--prune").stdout
    assert applied(tidemill, "pipelines", "--prune") == {"nightly": "unchanged", "other": "gone"}
    assert set(there(tidemill)) == {"nightly", "elsewhere"}
    assert json.loads(tidemill("status", str(run), "--json").stdout)["state"] == "pending"


def test_a_pipeline_that_moved_to_another_file_is_not_gone(tidemill: Tidemill, files: Path) -> None:
    applied(tidemill)
    (files / "other.tide").rename(files / "moved.tide")
    plan = planned(tidemill, "--prune")
    assert [(c["pipeline"], c["change"], c["what"]) for c in plan["pipelines"]] == [
        ("nightly", "unchanged", []),
        ("other", "changed", ["file"]),
    ]
    applied(tidemill, "pipelines", "--prune")
    assert there(tidemill)["other"]["file"] == "pipelines/moved.tide"


@pytest.mark.usefixtures("files")
def test_a_plan_that_was_kept_is_done_as_it_was_shown_and_may_be_done_again(
    tidemill: Tidemill,
) -> None:
    assert tidemill("plan", "pipelines", "--out", "next.plan").returncode == 0
    for changes in (
        {"nightly": "new", "other": "new"},
        dict.fromkeys(("nightly", "other"), "unchanged"),
    ):
        assert applied(tidemill, "--plan", "next.plan") == changes


def test_a_plan_is_stale_when_its_files_have_changed(tidemill: Tidemill, files: Path) -> None:
    tidemill("plan", "pipelines", "--out", "next.plan")
    (files / "nightly.tide").write_text(CHANGED)
    done = tidemill("apply", "--plan", "next.plan")
    assert done.returncode == 2
    assert "next.plan is stale: its files have changed since" in done.stderr
    assert there(tidemill) == {}


def test_a_plan_is_stale_when_others_have_applied_something_since(
    tidemill: Tidemill, files: Path
) -> None:
    tidemill("plan", "pipelines", "--out", "next.plan")
    (files / "nightly.tide").write_text(CHANGED)
    applied(tidemill, "pipelines/nightly.tide")
    (files / "nightly.tide").write_text(NIGHTLY)
    done = tidemill("apply", "--plan", "next.plan")
    assert done.returncode == 2
    assert "next.plan is stale: what is applied has changed since" in done.stderr
    assert set(there(tidemill)) == {"nightly"}, "nothing of it was done"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "no file given"),
        (["plan", "gone"], "gone"),
        (["plan", "empty"], "there is no .tide file"),
        (["plan", "p.tide", "--out", "no/where.plan"], "cannot be written"),
        (["apply", "--plan", "gone.plan"], "gone.plan cannot be read"),
        (["apply", "--plan", "p.tide"], "p.tide is no plan"),
        (["apply", "--plan", "odd.plan"], "odd.plan is no plan"),
        (["apply", "--plan", "old.plan"], "another version"),
        (["apply", "p.tide", "--plan", "odd.plan"], "a plan says itself"),
    ],
)
def test_a_wrong_request_is_said_in_a_line(
    tidemill: Tidemill, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "p.tide").write_text(OTHER)
    (tmp_path / "odd.plan").write_text('{"kind": "tidemill plan", "version": 1}')
    (tmp_path / "old.plan").write_text('{"kind": "tidemill plan", "version": 0}')
    done = tidemill(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_with_a_mistake_gives_no_plan(tidemill: Tidemill, files: Path) -> None:
    (files / "bad.tide").write_text("pipeline q { step a { run = 1 } }")
    done = tidemill("plan", "pipelines")
    assert done.returncode == 1
    assert "error[T" in done.stderr


# git


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=anna", "-c", "user.email=anna@example.com"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(tidemill: Tidemill, name: str = "other") -> str | None:
    applied(tidemill)
    found: str | None = there(tidemill)[name]["commit"]
    return found


def test_the_commit_that_a_file_was_at_is_kept(
    tidemill: Tidemill, files: Path, tmp_path: Path
) -> None:
    assert commit(tidemill) is None, "there is no checkout"
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text(".tidemill\n")
    git(tmp_path, "add", "pipelines/nightly.tide", ".gitignore")
    assert commit(tidemill) is None, "there is no commit"
    git(tmp_path, "commit", "-qm", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit(tidemill, "nightly") == head
    assert commit(tidemill, "other") == f"{head}-dirty", "it is in no commit"
    git(tmp_path, "add", "pipelines")
    assert commit(tidemill, "nightly") == f"{head}-dirty", "the index has more"
    git(tmp_path, "commit", "-qm", "two")
    (files / "nightly.tide").write_text(CHANGED)
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit(tidemill, "other") == f"{head}-dirty"
    git(tmp_path, "checkout", "-q", ".")
    assert commit(tidemill, "other") == head
    assert head[:12] in tidemill("pipelines").stdout


@pytest.mark.usefixtures("files")
def test_without_git_there_is_no_commit(
    tidemill: Tidemill, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    done = tidemill("apply", "pipelines", env={**clean_environment, "PATH": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    assert there(tidemill)["other"]["commit"] is None


@pytest.mark.usefixtures("files")
def test_nothing_that_a_checkout_names_is_started(tidemill: Tidemill, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\ntouch started\n")
    hook.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(hook))
    applied(tidemill)
    assert not list(tmp_path.rglob("started"))
