"""`tidemill init plugin`: what is written, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_listed_is_written(tidemill: Tidemill, tmp_path: Path) -> None:
    listed = tidemill("init", "plugin", "my-runner", "--dry-run")
    assert (listed.returncode, files(tmp_path)) == (0, set()), listed.stderr
    assert "tidemill-my-runner/src/tidemill_my_runner/executor.py" in listed.stdout.splitlines()
    done = tidemill("init", "plugin", "my-runner")
    assert done.stdout.startswith(listed.stdout)
    assert files(tmp_path) == set(listed.stdout.split())


def test_the_name_is_put_everywhere(tidemill: Tidemill, tmp_path: Path) -> None:
    tidemill("init", "plugin", "tidemill-my-runner")
    folder = tmp_path / "tidemill-my-runner"
    texts = "".join((folder / name).read_text() for name in sorted(files(folder)))
    assert 'my_runner = "tidemill_my_runner"' in texts
    assert "class MyRunnerExecutor:" in texts
    assert "{{kind}}" not in texts
    assert "{{ run.pipeline }}" in texts  # the plugin's own template


@pytest.mark.parametrize(
    "name", ["", "My", "1st", "a b", "a__b", "../up", "a/b", "é", "x" * 41, "class", "match", "-x-"]
)
def test_a_name_that_cannot_be_is_refused_in_one_line(
    tidemill: Tidemill, tmp_path: Path, name: str
) -> None:
    done = tidemill("init", "plugin", "--", name)
    assert done.returncode == 2
    assert f"{name!r} is no name for a plugin" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_is_taken_is_refused(tidemill: Tidemill, tmp_path: Path) -> None:
    done = tidemill("init", "plugin", "local")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "local is taken: tidemill " in done.stderr


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_overwritten(tidemill: Tidemill, tmp_path: Path, there: str) -> None:
    target = tmp_path / "tidemill-mine"
    if there == "file":
        target.write_text("mine")
    elif there == "link":
        target.symlink_to("nowhere")
    else:
        target.mkdir()
        (target / "notes").write_text("mine")
    before = files(tmp_path)
    done = tidemill("init", "plugin", "mine")
    assert (done.returncode, files(tmp_path)) == (2, before)
    assert "tidemill-mine is there already" in done.stderr


def test_it_may_be_written_elsewhere(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "src" / "tidemill-mine").mkdir(parents=True)  # an empty one does no harm
    done = tidemill("init", "plugin", "mine", "--into", "src")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "src/tidemill-mine/pyproject.toml").is_file()
    done = tidemill("init", "plugin", "mine", "--into", "nowhere")
    assert (done.returncode, "nowhere" in done.stderr) == (2, True)


def test_a_folder_that_cannot_be_written_is_said(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "tidemill-mine").mkdir()
    (tmp_path / "full").symlink_to("/proc/self")
    done = tidemill("init", "plugin", "mine", "--into", "full")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "tidemill-mine" in done.stderr
