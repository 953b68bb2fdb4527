"""The wheel, away from the checkout: no file is missing, and the commands work."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
WHERE = """
import sys, tidelang, tidemill
import tidemill_docker, tidemill_fsspec, tidemill_local
import tidemill_notify, tidemill_secrets, tidemill_ssh
modules = tidemill, tidelang, tidemill_docker, tidemill_fsspec, tidemill_local, \\
    tidemill_notify, tidemill_secrets, tidemill_ssh
print(*(module.__file__ for module in modules), *sys.path, sep="\\n")
"""
PACKAGES = {
    "tidemill": "core",
    "tidelang": "dsl",
    "tidemill_docker": "plugins",
    "tidemill_fsspec": "plugins",
    "tidemill_local": "plugins",
    "tidemill_notify": "plugins",
    "tidemill_secrets": "plugins",
    "tidemill_ssh": "plugins",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel and, by a path, our dependencies.

    A `.pth` file in a folder that is named by another one is not read, so the checkout,
    which is installed as such a file here, stays out of it."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    python = folder / "bin" / "python"
    subprocess.run(
        [*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    text = (ROOT / "examples/hello/hello.tide").read_text()
    (tmp_path / "hello.tide").write_text(text)
    (tmp_path / "tidemill.toml").touch()
    return tmp_path


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TIDE"))}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def shipped() -> set[str]:
    """What the sources hold, as far as git would keep it, under the names of a wheel."""
    folders = [f"{root}/{package}" for package, root in PACKAGES.items()]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return {name.split("/", 1)[1] for name in listed if (ROOT / name).is_file()}


def test_the_wheel_holds_every_source_file_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed == shipped()
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_commands_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    lines = run([installed / "python", "-c", WHERE], tmp_path).stdout.splitlines()
    assert len(lines) > len(PACKAGES)
    assert all(Path(line).is_relative_to(installed.parent) for line in lines[: len(PACKAGES)])
    assert not any(str(ROOT / root) in lines for root in PACKAGES.values())


def test_the_version_is_said(installed: Path, tmp_path: Path) -> None:
    result = run([installed / "tidemill", "--version"], tmp_path)
    assert (result.returncode, result.stdout.split()[0]) == (0, "tidemill"), result.stderr


def test_a_file_is_checked_and_run(installed: Path, hello: Path) -> None:
    checked = run([installed / "tidemill", "validate", "hello.tide"], hello)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = run([installed / "tidemill", "run", "hello.tide", "-p", "name=Ada"], hello)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello, Ada" in done.stdout
    assert "Your name has 3 letters" in done.stdout


def test_explanations_are_shipped(installed: Path, tmp_path: Path) -> None:
    result = run([installed / "tidemill", "explain", "T201"], tmp_path)
    assert result.returncode == 0, result.stderr
    assert "T201" in result.stdout
