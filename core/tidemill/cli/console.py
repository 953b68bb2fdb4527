"""Where the command stands: its project, and whether it may use colour.

The one place that looks at the environment and at what stdout is.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidemill.errors import TidemillError, UsageError

if TYPE_CHECKING:
    from tidemill.app import History, Project


def colour_allowed(no_color: bool) -> bool | None:
    """False where it is forbidden; None leaves it to whether there is a terminal."""
    forbidden = no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return False if forbidden else None


def colour(stream: Any = None) -> bool:
    """Whether colour may be written to a stream (stdout)."""
    context = click.get_current_context(silent=True)
    if context is not None and context.color is False:
        return False
    return bool((stream or sys.stdout).isatty())


def forgive_characters() -> None:
    """What an encoding cannot say becomes `?`: better than an error about the answer."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def enter(directory: str | None, *, local: bool = False) -> None:
    """`-C DIR`: work as if started there. `--local`: without the fleet."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.obj = local
    try:
        if directory is not None:
            os.chdir(directory)
    except OSError as error:
        raise UsageError(f"cannot enter {directory}: {error.strerror}") from None
    try:
        Path.cwd()
    except OSError:
        raise UsageError("the current folder is gone", "`cd` to one that is there") from None


def project() -> Project:
    """The project of the current folder."""
    from tidemill.app import find_project

    context = click.get_current_context(silent=True)
    local = context is not None and context.find_root().obj is True
    return find_project(Path.cwd(), local=local)


def past(project: Project) -> History:
    """The past of a project; where it does not come from the database itself, it is said.

    Raises:
        TidemillError: it cannot be read.
    """
    from tidemill.app import History

    return History(project, note)


_noted: set[str] = set()


def note(text: str) -> None:
    """Something to know about an answer, on stderr; once."""
    if text not in _noted:
        _noted.add(text)
        say(f"{click.style('note:', fg='cyan')} {text}")


def warn(text: str) -> None:
    """What did not work though the command did, on stderr."""
    say(f"{click.style('warning:', fg='yellow')} {text}")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def say(text: str) -> None:
    """News for the person, on stderr; where nobody is left to read it, nothing."""
    with suppress(OSError):
        click.echo(text, err=True)


def report(error: TidemillError) -> None:
    complain(error.message, error.hint)


def complain(message: str, hint: str = "") -> None:
    """One line for what happened, one for each thing to do, on stderr."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    for line in hint.splitlines():
        click.echo(f"{click.style('help:', fg='cyan')} {line}", err=True)


def usable_encoding(stream: Any = None) -> bool:
    """Whether a stream (stdout) can show the symbols that are not ASCII."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        "✓●━…│".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
