"""Every example is run, as its README says, in a copy of its folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tidelang.formatting import format_source
from tidelang.source import Source

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TIDEMILL = Path(sys.executable).with_name("tidemill")
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))


class Project:
    """A copy of an example, and the command line in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        ignore = shutil.ignore_patterns(".tidemill", "build", "dist", "__pycache__")
        shutil.copytree(EXAMPLES / name, self.folder, ignore=ignore)

    def tidemill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TIDEMILL, *arguments],
            cwd=self.folder,
            env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.tidemill("run", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The tasks of the last run, by key."""
        data = json.loads(self.tidemill("status", "--json").stdout)
        return {task["task"]: task for task in data["tasks"]}


def commands_of(readme: str) -> list[list[str]]:
    """The `tidemill` commands that a README shows."""
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    lines = (line for block in blocks for line in block.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("tidemill ")]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_readme_says_works(name: str, tmp_path: Path) -> None:
    project = Project(name, tmp_path)
    commands = commands_of((project.folder / "README.md").read_text())
    assert commands
    for command in commands:
        done = project.tidemill(*command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "file",
    [*sorted(EXAMPLES.rglob("*.tide")), ROOT / "ci.tide"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_file_is_valid(file: Path) -> None:
    done = subprocess.run([TIDEMILL, "validate", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "file", sorted(EXAMPLES.rglob("*.tide")), ids=lambda path: str(path.relative_to(EXAMPLES))
)
def test_the_file_is_laid_out(file: Path) -> None:
    text = file.read_text()
    assert format_source(Source(str(file), text)).text == text


def test_hello_counts_the_letters(tmp_path: Path) -> None:
    out = Project("hello", tmp_path).run("hello.tide", "-p", "name=Ada Lovelace").stdout
    assert "Hello, Ada Lovelace" in out
    assert "Your name has 12 letters" in out


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    project = Project("hello", tmp_path)
    name = "$(touch pwned); `touch pwned` \"'; touch pwned"
    assert f"Hello, {name}" in project.run("hello.tide", "-p", f"name={name}").stdout
    assert not (project.folder / "pwned").exists()


def test_the_release_is_what_its_checksum_says(tmp_path: Path) -> None:
    project = Project("release", tmp_path)
    project.run("release.tide", "-p", "version=1.2.0")
    outputs = project.tasks()["checksum"]["outputs"]
    archive = project.folder / "dist/mdlinks-1.2.0.tar.gz"
    content = archive.read_bytes()
    assert outputs["sha256"] == hashlib.sha256(content).hexdigest()
    assert outputs["bytes"] == len(content)
    with tarfile.open(archive) as packed:
        assert "mdlinks-1.2.0/mdlinks" in packed.getnames()


def test_the_release_is_tested_in_every_suite_and_mode(tmp_path: Path) -> None:
    project = Project("release", tmp_path)
    project.run("release.tide", "--until", "test")
    tests = [task for task in project.tasks().values() if task["step"] == "test"]
    ran = [task for task in tests if task["state"] == "succeeded"]
    assert len(ran) == len(tests) == 9
    assert sum(task["outputs"]["passed"] for task in ran) == 3 * 23


def test_a_failing_suite_keeps_the_release_from_being_built(tmp_path: Path) -> None:
    project = Project("release", tmp_path)
    pages = project.folder / "mdlinks/pages.py"
    pages.write_text(pages.read_text().replace(".lower()", ""))
    assert project.tidemill("run", "release.tide").returncode == 1
    states = {key: task["state"] for key, task in project.tasks().items()}
    assert states["build"] == "upstream_failed"
    assert not (project.folder / "build").exists()


def test_a_version_without_notes_is_not_released(tmp_path: Path) -> None:
    project = Project("release", tmp_path)
    done = project.tidemill("run", "release.tide", "-p", "version=9.9.9")
    assert done.returncode == 1
    assert "CHANGELOG.md says nothing of 9.9.9" in done.stdout


def test_the_clocks_add_up(tmp_path: Path) -> None:
    project = Project("data", tmp_path)
    project.run("clocks.tide")
    tasks = project.tasks()
    regions = [task for task in tasks.values() if task["step"] == "region"]
    assert sum(task["outputs"]["zones"] for task in regions) == 312
    assert tasks["extract"]["outputs"]["count"] == 312
    asia = tasks["region[Asia]"]["outputs"]
    assert asia["ahead"] == sorted(asia["ahead"])
    assert asia["mean"] == pytest.approx(sum(asia["ahead"]) / asia["zones"], abs=0.05)
    report = (project.folder / "build/report.txt").read_text()
    assert report.rstrip().splitlines()[-1].startswith("312 zones, half of them more than")


def test_the_limit_decides_what_is_odd(tmp_path: Path) -> None:
    project = Project("data", tmp_path)
    project.run("clocks.tide", "-p", "limit=720")
    assert project.tasks()["odd"]["state"] == "skipped"


def test_a_new_folder_is_a_new_service(tmp_path: Path) -> None:
    project = Project("monorepo", tmp_path)
    project.run("monorepo.tide")
    services = project.folder / "services"
    shutil.copytree(services / "greet", services / "say $(hello)")
    out = project.run("monorepo.tide").stdout
    assert "clock, greet, say $(hello): " in out
    assert "pack[greet] cached from run 1" in out
    with tarfile.open(project.folder / "build/say $(hello).tar") as packed:
        assert "say $(hello)/main.sh" in packed.getnames()


def test_only_the_service_that_changed_is_packed_again(tmp_path: Path) -> None:
    project = Project("monorepo", tmp_path)
    project.run("monorepo.tide")
    (project.folder / "services/greet/main.sh").write_text('echo "hello ""$1"\n')
    project.run("monorepo.tide")
    assert project.tasks()["pack[clock]"]["cached_from"] == 1
    assert project.tasks()["pack[greet]"]["cached_from"] is None
    assert "services/greet/main.sh changed" in project.tidemill("why", "pack[greet]").stdout


def test_a_service_that_says_something_else_is_not_packed(tmp_path: Path) -> None:
    project = Project("monorepo", tmp_path)
    (project.folder / "services/greet/expected.txt").write_text("goodbye world\n")
    assert project.tidemill("run", "monorepo.tide").returncode == 1
    states = {key: task["state"] for key, task in project.tasks().items()}
    assert states["check[greet]"] == "failed"
    assert states["check[clock]"] == "succeeded"
    assert states["pack[…]"] == "upstream_failed"
