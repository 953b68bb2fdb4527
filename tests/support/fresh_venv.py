"""An environment with nothing in it but what a user would have installed.

Wheels are built and installed as anybody would. What they depend on is linked to from the
environment of these tests, distribution by distribution, so that nothing is needed of a
network and nothing else is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def build_wheel(source: Path, target: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = target.glob("*.whl")
    return wheel


class FreshVenv:
    """`wanted` are the distributions beside wheels, with what they depend on."""

    def __init__(self, folder: Path, wheels: Sequence[Path], wanted: Sequence[str]) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        (site,) = folder.glob("lib/python*/site-packages")
        for name in _closure([*wanted, "tidemill"]) - {"tidemill"}:
            _link(name, site)
        for wheel in wheels:
            self.install(wheel)

    def install(self, wheel: Path) -> None:
        target = ["--python", str(self.bin / "python"), "install", "--no-deps", "--no-index"]
        subprocess.run([*PIP, *target, str(wheel)], check=True)

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        env = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "TIDE"))
        }
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=cwd, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip


def _closure(names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    left = [(Requirement(name), "") for name in names]
    while left:
        wanted, extra = left.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        try:
            requires = distribution(wanted.name).requires or []
        except PackageNotFoundError:
            continue  # it is said by whoever imports it
        new = wanted.name not in found
        found.add(wanted.name)
        for each in requires if new or wanted.extras else ():
            left += [(Requirement(each), extra) for extra in (wanted.extras or {""})]
    return found


def _link(name: str, site: Path) -> None:
    installed = distribution(name)
    base = Path(str(installed.locate_file("")))
    for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(base / top)
