"""A third party's plugin, away from the checkout: built, installed, found, used, tested by
its own tests; and another one as `tidemill init plugin` writes it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import Command, Note, commands, missing, pieces
from fresh_venv import ROOT, FreshVenv, build_wheel

from tidemill.app.skeleton import plugin

EXAMPLE = ROOT / "examples/plugins/tidemill-cell"
PIPELINE = """
pipeline release {
  param code: string = "0"

  step build {
    run = "echo process $$; ls -d /proc/[0-9]* | wc -l; exit {{ code }}"
    executor cell { network = false }
  }

  notify cell {
    on   = [failed]
    path = "release.log"
  }
}
"""


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here")
    if done.returncode:
        pytest.skip(f"this user may make no namespaces: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> FreshVenv:
    folder = tmp_path_factory.mktemp("third-party")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    ours, theirs = build_wheel(ROOT, folder / "ours"), build_wheel(source, folder / "theirs")
    return FreshVenv(folder / "venv", [ours, theirs], ["pytest", "pytest-asyncio"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "release.tide").write_text(PIPELINE)
    (tmp_path / "tidemill.toml").touch()
    return tmp_path


def test_nothing_of_the_checkout_is_there(installed: FreshVenv, tmp_path: Path) -> None:
    where = "import tidemill, tidemill_cell; print(tidemill.__file__, tidemill_cell.__file__)"
    done = installed.run("python", "-c", where, cwd=tmp_path)
    assert done.stdout.count(str(installed.bin.parent)) == 2, done.stderr
    done = installed.run("python", "-c", "import hypothesis", cwd=tmp_path)
    assert "ModuleNotFoundError" in done.stderr


def test_the_plugin_is_found(installed: FreshVenv, tmp_path: Path) -> None:
    done = installed.run("tidemill", "plugins", "--json", cwd=tmp_path)
    found = [each for each in json.loads(done.stdout) if each["distribution"] == "tidemill-cell"]
    assert [(e["kind"], e["sort"], e["version"], e["problem"]) for e in found] == [
        ("cell", "executor", "0.1.0", ""),
        ("cell", "notifier", "0.1.0", ""),
    ]


def test_a_pipeline_uses_it(installed: FreshVenv, project: Path) -> None:
    done = installed.run("tidemill", "run", "release.tide", "--plain", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "build | process 2\n" in done.stdout
    assert not (project / "release.log").exists()


def test_people_are_told_by_it(installed: FreshVenv, project: Path) -> None:
    done = installed.run("tidemill", "run", "--notify", "release.tide", "-p", "code=3", cwd=project)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (project / "release.log").read_text().splitlines()
    assert line.endswith(" release #1: failed")


def passed(venv: FreshVenv, folder: Path) -> int:
    """How many of the distribution's own tests pass; none may do anything else."""
    options = [
        "-p",
        "no:cacheprovider",
        "-q",
        "-W",
        "error::pytest.PytestUnraisableExceptionWarning",
    ]
    done = venv.run("python", "-m", "pytest", *options, cwd=folder)
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert done.returncode == 0, done.stdout + done.stderr
    assert " in " in last
    assert "skipped" not in last
    return int(last.split()[0])


def test_its_own_tests_pass_with_only_pytest_beside(installed: FreshVenv, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path)
    assert passed(installed, tmp_path) > 90


class Reader:
    """Follows `docs/how-to/write-a-plugin.md` in an environment."""

    def __init__(self, venv: FreshVenv, folder: Path) -> None:
        self.venv, self.folder, self.tests = venv, folder, 0

    def read(self, document: str) -> None:
        name = ""
        for piece in pieces(document):
            if isinstance(piece, Note):
                name = piece.value
            elif piece.kind == "tide":
                (self.folder / name).write_text(piece.text)
            elif piece.kind == "python":
                written = (self.folder / "tidemill-crate/tests/test_executor.py").read_text()
                assert piece.text in written
            elif piece.kind == "console":
                for command in commands(piece.text):
                    self._type(command)

    def _type(self, command: Command) -> None:
        program, *arguments = shlex.split(command.typed)
        printed = ""
        if program == "cd":
            self.folder /= arguments[0]
        elif program == "pip":  # from a network; here it is built, and the rest is there
            (source,) = (self.folder / a for a in arguments if a.startswith("tidemill"))
            self.venv.install(build_wheel(source, self.folder / "dist"))
        elif program == "pytest":
            self.tests += passed(self.venv, self.folder)
        else:
            done = self.venv.run(program, *arguments, cwd=self.folder)
            assert done.returncode == 0, done.stdout + done.stderr
            printed = done.stdout
        assert missing(command, printed) == [], printed


def test_a_plugin_that_was_just_written_works(installed: FreshVenv, tmp_path: Path) -> None:
    """As the document says."""
    (tmp_path / "tidemill.toml").touch()
    reader = Reader(installed, tmp_path)
    reader.read((ROOT / "docs/how-to/write-a-plugin.md").read_text())
    assert reader.tests > 90


def test_the_example_is_what_is_written(tmp_path: Path) -> None:
    """To mend the one after the other: `rm -r` the folder, and
    `tidemill init plugin cell --into examples/plugins`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=EXAMPLE, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    written = plugin("cell", tmp_path).files
    assert {name: (EXAMPLE / name).read_text() for name in listed} == written
