"""Every import contract can break: one that cannot fire guards nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    "tidemill": "core",
    "tidelang": "dsl",
    "tidemill_docker": "plugins",
    "tidemill_local": "plugins",
    "tidemill_notify": "plugins",
    "tidemill_secrets": "plugins",
    "tidemill_ssh": "plugins",
}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
BREAKS = {
    "language": ("tidelang", "import tidemill"),
    "plugins": ("tidemill_local", "import tidemill.engine"),
    "plugins-are-found": ("tidemill.broker", "import tidemill_local"),
    "layers": ("tidemill.engine", "import tidemill.cli"),
    "commands": ("tidemill.cli", "import tidemill.store"),
    "sql": ("tidemill.engine", "import sqlalchemy"),
    "nats": ("tidemill.engine", "import nats"),
    "docker": ("tidemill.engine", "import docker"),
    "fsspec": ("tidemill.engine", "import fsspec"),
    "asyncssh": ("tidemill.engine", "import asyncssh"),
    "mail-and-web": ("tidemill.engine", "import aiohttp"),
    "lark": ("tidelang.checking", "import lark"),
    "templates": ("tidelang.checking", "import jinja2"),
    "layout": ("tidelang.drawing", "import igraph"),
    "http": ("tidemill.engine", "import starlette"),
    "terminal": ("tidemill.engine", "import rich"),
    "pure": ("tidemill.model", "import os"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(folder / root) for root in SOURCES.values())
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(
        [*command, "--config", str(ROOT / "pyproject.toml")],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package, root in SOURCES.items():
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / root / package, tmp_path / root / package, ignore=ignore)
    return tmp_path


def test_each_contract_is_broken_by_what_it_forbids(copy: Path) -> None:
    assert set(BREAKS) == {contract["id"] for contract in CONTRACTS}
    for contract, (module, line) in BREAKS.items():
        folder = copy / SOURCES[module.split(".")[0]] / module.replace(".", "/")
        (folder / f"breaks_{contract.replace('-', '_')}.py").write_text(line + "\n")
    verdict = dict(re.findall(r"(?m)^(.+?) (KEPT|BROKEN)", lint(copy).stdout))
    assert verdict == {contract["name"]: "BROKEN" for contract in CONTRACTS}
