"""What `docs/deploy` starts is what the command line understands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tidemill.app.fleet import NAMES
from tidemill.cli.root import root

FOLDER = Path(__file__).parents[2] / "docs/deploy"
COMMANDS = [
    *[
        (path.name, shlex.split(line)[1:])
        for path in sorted(FOLDER.glob("systemd/*.service"))
        for line in re.findall(r"(?m)^ExecStart=(.*)$", path.read_text())
    ],
    *[
        ("compose.yaml", json.loads(line))
        for line in re.findall(
            r"(?m)^ +command: (\[ \"(?:scheduler|worker|db)\".*\])$",
            (FOLDER / "compose.yaml").read_text(),
        )
    ],
]


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) == 5


@pytest.mark.parametrize(("file", "arguments"), COMMANDS, ids=lambda value: str(value)[:40])
def test_a_command_that_is_deployed_is_understood(file: str, arguments: list[str]) -> None:
    context: click.Context = click.Context(root)
    command: click.Command | None = root
    rest = arguments
    while isinstance(command, click.Group):
        command, rest = command.get_command(context, rest[0]), rest[1:]
    assert command is not None, file
    command.make_context(" ".join(arguments), list(rest), parent=context)


def test_the_variables_are_those_that_are_read() -> None:
    known = {f"TIDEMILL_{name.upper()}" for name in NAMES}
    texts = [path.read_text() for path in FOLDER.rglob("*") if path.is_file()]
    assert set(re.findall(r"\bTIDEMILL_[A-Z_]*[A-Z]\b", "\n".join(texts))) <= known


@pytest.mark.parametrize("name", ["tidemill-scheduler.service", "tidemill-worker@.service"])
def test_systemd_understands_every_line_of_a_unit(name: str, tmp_path: Path) -> None:
    """It only warns of a line that it does not understand, and goes on without it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (FOLDER / "systemd" / name).read_text()
    unit = tmp_path / name.replace("@", "@default")
    unit.write_text(text.replace("/opt/tidemill/bin/tidemill", str(Path(sys.executable))))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
