"""`tidemill artifacts`, and what is said of where they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.app.artifacts import CACHE, place
from tidemill.app.fleet import Fleet
from tidemill.errors import UsageError
from tidemill.project import Project

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]

STEPS = """
  step make {
    run = "echo content > out.txt"
    output out: file = "out.txt"
  }
  step use { run = "cat {{ make.out }}" }
  step kept {
    cache {}
    run = "echo cached > kept.txt"
    output out: file = "kept.txt"
  }
"""
OLD = 40 * 86_400


@pytest.fixture
def ran(tidemill: Tidemill, tide: Tide) -> Tidemill:
    tide(STEPS)
    assert tidemill("run", "x.tide").returncode == 0
    return tidemill


def age(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - OLD,) * 2)


def test_it_says_how_much_there_is(ran: Tidemill, tmp_path: Path) -> None:
    lines = ran("artifacts").stdout.splitlines()
    assert lines[0] == f"file://{tmp_path}/.tidemill"
    assert lines[2].split() == ["artifacts", "2", "15", "B"]
    found = json.loads(ran("artifacts", "--json").stdout)
    assert (found["artifacts"], found["artifact_bytes"], found["results"]) == (2, 15, 1)


def test_what_runs_and_results_refer_to_is_not_collected(ran: Tidemill, tmp_path: Path) -> None:
    age(tmp_path / ".tidemill/artifacts")
    done = ran("artifacts", "gc", "--older-than", "7d")
    assert done.stdout == "0 artifacts (0 B) removed, 2 (15 B) stay\n"
    (tmp_path / ".tidemill/tidemill.db").unlink()
    said = "1 artifact (8 B) would be removed, 1 (7 B) would stay\n"
    assert ran("artifacts", "gc", "--dry-run").stdout == said
    assert ran("artifacts", "gc").stdout == "1 artifact (8 B) removed, 1 (7 B) stay\n"
    age(tmp_path / ".tidemill/results")
    done = json.loads(ran("artifacts", "gc", "--results-older-than", "30d", "--json").stdout)
    assert (done["results"], done["objects"], done["kept"]) == (1, 1, 0)


def test_what_was_used_by_a_cached_step_is_young(ran: Tidemill, tmp_path: Path) -> None:
    age(tmp_path / ".tidemill/artifacts")
    assert "cached" in ran("run", "x.tide").stdout
    shutil.rmtree(tmp_path / ".tidemill/results")
    (tmp_path / ".tidemill/tidemill.db").unlink()
    assert ran("artifacts", "gc").stdout == "0 artifacts (0 B) removed, 2 (15 B) stay\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["--older-than", "1h"], "--older-than is less than 4h"),
        (["--older-than", "soon"], "--older-than is 'soon', which is no duration"),
        (["--results-older-than", "0s"], "--results-older-than is less than 4h"),
        (["--artifacts", "s4://b/x", "--postgres", "x"], "there is no artifact store s4"),
        (["--artifacts", "s3://b/x"], "the fleet's database alone knows which runs use what is in"),
        (["--artifacts", "nats:", "--postgres", "x"], "it is not said where that is"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(tidemill: Tidemill, command: list[str], said: str) -> None:
    done = tidemill("artifacts", "gc", *command)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[0]


NATS = Fleet(nats="nats://x")


def kept(root: Path, text: str, where: Fleet = NATS, option: str | None = None) -> tuple[str, bool]:
    (root / "tidemill.toml").write_text(text)
    found = place(Project(root), where, option)
    return found.address, found.own


def test_who_says_nothing_has_the_fleets_nats_or_the_project(tmp_path: Path) -> None:
    assert kept(tmp_path, "") == ("nats:", False)
    assert kept(tmp_path, "", Fleet()) == (f"file://{tmp_path}/.tidemill", True)


def test_an_option_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[artifacts]\nurl = "s3://b/file"\n'
    assert kept(tmp_path, text) == ("s3://b/file", False)
    monkeypatch.setenv("TIDEMILL_ARTIFACTS", "s3://b/variable")
    assert kept(tmp_path, text) == ("s3://b/variable", False)
    assert kept(tmp_path, text, option="gs://b/option") == ("gs://b/option", False)


def test_a_plain_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(tmp_path, '[artifacts]\nurl = "shared"\n') == (f"file://{tmp_path}/shared", False)
    assert kept(tmp_path, '[artifacts]\nurl = ".tidemill"\n')[1]
    monkeypatch.chdir(tmp_path / "..")
    assert kept(tmp_path, "", option="there") == (f"file://{tmp_path.parent}/there", False)


def test_what_tidemill_up_says_goes_for_its_own_nats(tmp_path: Path) -> None:
    (tmp_path / ".tidemill").mkdir()
    told = {"pid": os.getpid(), "nats": "nats://up", "artifacts": f"file://{tmp_path}/.tidemill"}
    (tmp_path / ".tidemill/up.json").write_text(json.dumps(told))
    assert kept(tmp_path, "", Fleet(nats="nats://up")) == (told["artifacts"], True)
    assert kept(tmp_path, "", Fleet(nats="nats://other")) == ("nats:", False)


def test_settings_are_for_the_kind_of_their_address(tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").write_text(
        '[artifacts]\nurl = "s3://b/x"\nregion = "eu"\ncache = "2GiB"\n'
    )
    found = place(Project(tmp_path), NATS)
    assert (found.settings, found.cache) == ({"region": "eu"}, 2 << 30)
    found = place(Project(tmp_path), NATS, "nats:")
    assert (found.settings, found.cache) == ({}, 2 << 30)
    assert place(Project(tmp_path, local=True), NATS).cache == CACHE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("artifacts = 1", "artifacts is no table"),
        ("[artifacts]\nurl = 1", "artifacts.url is no address"),
        ('[artifacts]\ncache = "much"', "artifacts.cache is 'much', which is no size"),
        ("[artifacts]\ncache = 5", "artifacts.cache is 5, which is no size"),
    ],
)
def test_a_table_that_makes_no_sense(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        kept(tmp_path, text)


def test_a_setting_that_is_misspelt(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").write_text('[artifacts]\nurl = "s3://b/x"\nendpoint_ur = "y"\n')
    done = tidemill("artifacts")
    assert "artifacts has no key endpoint_ur" in done.stderr
    assert "did you mean endpoint_url?" in done.stderr
