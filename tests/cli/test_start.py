"""Commands of the fleet start quickly: they import what they use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tidemill.app

FILE = 'pipeline p { step a { run = ["true"] } }'
HEAVY = {"alembic", "lark", "nats", "docker", "jinja2", "rich", "psycopg", "igraph"}


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    code = (
        "import sys; from tidemill.cli.root import run; code = run(sys.argv[1:]);"
        "print('\\n'.join(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.tide").write_text(FILE)
    assert "alembic" in imported(tmp_path, "apply", "p.tide"), "it made the database"
    return tmp_path


@pytest.mark.parametrize(
    "arguments", [["trigger", "p"], ["runs"], ["status", "1"], ["cancel", "1"], ["workers"]]
)
def test_a_command_that_compiles_nothing_imports_no_compiler(
    folder: Path, arguments: list[str]
) -> None:
    imported(folder, "trigger", "p")
    found = imported(folder, *arguments)
    assert HEAVY & found == set()
    assert {"tidelang.compiler", "tidemill.app.local", "tidemill.worker.worker"} & found == set()


def test_applying_again_imports_no_migrations(folder: Path) -> None:
    assert {"alembic", "nats", "psycopg", "rich"} & imported(folder, "apply", "p.tide") == set()


@pytest.mark.parametrize("name", tidemill.app.__all__)
def test_every_name_of_the_application_is_found(name: str) -> None:
    assert getattr(tidemill.app, name) is not None


def test_a_name_that_the_application_has_not_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        tidemill.app.nothing  # noqa: B018
