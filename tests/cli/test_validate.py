"""`tidemill validate` and `tidemill explain`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]

HEAVY = {"sqlmodel", "sqlalchemy", "alembic", "asyncio", "rich", "pluggy", "tidemill.app"}
GOOD = 'step a { run = "true" }'
BAD = 'step a { run = "echo {{ missing }}", timeout = 3 }'


def test_a_clean_file_is_said_to_be_clean(tidemill: Tidemill, tide: Tide) -> None:
    tide(GOOD)
    done = tidemill("validate", "x.tide")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x.tide: no mistakes\n", "")


def test_every_mistake_is_shown_in_one_go(tidemill: Tidemill, tide: Tide) -> None:
    tide(BAD)
    done = tidemill("validate", "x.tide")
    assert (done.returncode, done.stderr) == (1, "")
    assert "--> x.tide:2:25" in done.stdout
    assert done.stdout.endswith("2 errors in x.tide\n")


def test_a_folder_means_every_file_below_it_but_hidden_ones(
    tidemill: Tidemill, tide: Tide, tmp_path: Path
) -> None:
    for folder in ("ci/deep", ".hidden", "ci/.git"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("x.tide", "ci/deep/y.tide"):
        tide(GOOD, name)
    for name in (".hidden/z.tide", "ci/.git/z.tide"):
        tide(BAD, name)
    assert tidemill("validate", ".").stdout == "2 files: no mistakes\n"
    tide(BAD, "ci/deep/y.tide")
    done = tidemill("validate", ".", "ci/deep/y.tide")
    assert done.returncode == 1
    assert done.stdout.count("ci/deep/y.tide:2:25") == 1


def test_json_is_a_list_of_diagnostics(tidemill: Tidemill, tide: Tide) -> None:
    tide(BAD)
    done = tidemill("validate", "x.tide", "--format", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [d["start"]["line"] for d in found] == [2, 2]
    tide(GOOD)
    assert json.loads(tidemill("validate", "x.tide", "--format", "json").stdout) == []


@pytest.mark.parametrize("name", ["gone.tide", "latin.tide", "empty"])
def test_what_cannot_be_read_ends_with_2_and_the_others_are_checked(
    tidemill: Tidemill, tide: Tide, tmp_path: Path, name: str
) -> None:
    tide(BAD)
    (tmp_path / "latin.tide").write_bytes(b"# caf\xe9\n")
    (tmp_path / "empty").mkdir()
    done = tidemill("validate", name, "x.tide")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {name}:")
    assert "x.tide:2:25" in done.stdout


def test_without_a_file_those_here_are_named(tidemill: Tidemill, tide: Tide) -> None:
    tide(GOOD)
    done = tidemill("validate")
    assert done.returncode == 2
    assert done.stderr == "error: no file given\nhelp: tidemill validate x.tide\n"


def test_an_encoding_without_the_characters_is_no_failure(
    tidemill: Tidemill, tide: Tide, clean_environment: dict[str, str]
) -> None:
    tide('step a { run = "echo {{ größe }}" }')
    latin = {**clean_environment, "PYTHONIOENCODING": "ascii"}
    done = tidemill("validate", "x.tide", env=latin)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_validating_imports_nothing_that_it_does_not_need(tide: Tide) -> None:
    path = tide(GOOD)
    code = (
        "import sys, tidemill.cli.root as r\n"
        f"assert r.run(['validate', {str(path)!r}]) == 0\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY.intersection(done.stderr.split())


def test_a_code_is_explained_in_any_case(tidemill: Tidemill) -> None:
    done = tidemill("explain", "t001")
    assert done.returncode == 0
    assert done.stdout.startswith("# T001: ")


def test_an_unknown_code_gets_a_suggestion(tidemill: Tidemill) -> None:
    done = tidemill("explain", "T0001")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no code 'T0001'. Did you mean 'T001'?\n")
