"""What `docs/deploy` starts is what the command line understands."""

from __future__ import annotations

import json
import re
import shlex
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
    assert set(re.findall(r"\bTIDEMILL_[A-Z_]+", "\n".join(texts))) <= known
