"""The command itself: help, mistakes, and how cheap it is to start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest

from tidemill import _version
from tidemill.cli.root import COMMANDS, root

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ("sqlmodel", "sqlalchemy", "alembic", "asyncio", "rich", "pluggy", "pydantic", "tidelang")


def command(name: str) -> click.Command:
    found = import_module(f"tidemill.cli.commands.{name}").command
    assert isinstance(found, click.Command)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_command_s_own(name: str) -> None:
    assert COMMANDS[name] == (command(name).help or "").partition("\n")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_fits_a_terminal(name: str, tidemill: Tidemill) -> None:
    done = tidemill(name, "--help")
    assert done.returncode == 0
    assert f"  tidemill {name}" in done.stdout.partition("Example")[2]
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_described(name: str) -> None:
    for param in command(name).params:
        assert isinstance(param, click.Argument) or getattr(param, "help", None)


def test_every_module_of_commands_is_a_command() -> None:
    folder = Path(str(import_module("tidemill.cli.commands").__file__)).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)
    assert list(COMMANDS) == root.list_commands(click.Context(root))


def test_the_version_is_told(tidemill: Tidemill) -> None:
    assert tidemill("--version").stdout == f"tidemill {_version.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["vaildate"], "No such command 'vaildate'. Did you mean 'validate'?", "tidemill --help"),
        (["zzz"], "No such command 'zzz'.", "tidemill --help"),
        (["run", "--jsn"], "No such option '--jsn'. Did you mean '--json'?", "tidemill run --help"),
        (
            ["--projct", "x"],
            "No such option '--projct'. Did you mean '--project'?",
            "tidemill --help",
        ),
        (["cancel"], "Missing argument 'RUN'.", "tidemill cancel --help"),
        (["-C", "nowhere", "runs"], "cannot enter nowhere: No such file or directory", ""),
        (
            ["run", "x.tide", "-p", "version"],
            "-p version: a param is given as name=value",
            "-p version=…",
        ),
        (
            ["run", "x.tide", "-p", "a=1", "-p", "a=2"],
            "-p a is given twice",
            "leave one of them out",
        ),
    ],
)
def test_a_mistake_is_answered_with_one_line_and_a_way_out(
    tidemill: Tidemill, tmp_path: Path, arguments: list[str], error: str, hint: str
) -> None:
    (tmp_path / "x.tide").touch()
    done = tidemill(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: {error}\n" + (f"help: {hint}\n" if hint else "")


def test_without_a_command_the_help_is_shown(tidemill: Tidemill) -> None:
    done = tidemill()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: tidemill")


def test_a_run_without_a_file_names_the_one_that_is_there(
    tidemill: Tidemill, tmp_path: Path
) -> None:
    (tmp_path / "release.tide").touch()
    done = tidemill("run")
    assert done.stderr == "error: no file given\nhelp: tidemill run release.tide\n"
    done = tidemill("run", "relaese.tide")
    assert (
        done.stderr == "error: there is no file relaese.tide\nhelp: Did you mean 'release.tide'?\n"
    )


def test_a_folder_instead_of_a_file_lists_what_is_in_it(tidemill: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    for name in ("a.tide", "b.tide"):
        (tmp_path / "ci" / name).touch()
    done = tidemill("run", "ci")
    assert done.returncode == 2
    assert done.stderr == (
        "error: ci is a folder, not a file\n"
        "help: tidemill run ci/a.tide\nhelp: tidemill run ci/b.tide\n"
    )


def test_an_empty_folder_says_that_it_is_empty(tidemill: Tidemill) -> None:
    assert tidemill("run").stderr == (
        "error: no file given\nhelp: there is no .tide file in this folder\n"
    )


def imported(code: str, cwd: Path) -> set[str]:
    """The modules that a fresh interpreter has after running `code`."""
    report = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    modules = imported("import tidemill.cli.root as r\nassert r.run(['--help']) == 0", tmp_path)
    assert not modules.intersection(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(name: str, tmp_path: Path) -> None:
    code = f"import tidemill.cli.root as r\nassert r.run(['{name}', '--help']) == 0"
    assert not imported(code, tmp_path).intersection(HEAVY)


def test_output_that_nobody_reads_ends_quietly(clean_environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m tidemill.cli --help | true"],
        env=clean_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_folder_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD" && exec "$0" -m tidemill.cli runs'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable], cwd=gone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder is gone\n")
