"""What people type behind a command, as values; with a way out where it makes no sense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from tidemill.cli.suggest import did_you_mean, tide_files, which_file
from tidemill.errors import UsageError


def run_number(value: str) -> int:
    """`7` or `#7`, as the type of a click argument."""
    digits = value.removeprefix("#")
    if digits.isascii() and digits.isdigit() and int(digits) > 0:
        return int(digits)
    raise click.BadParameter(f"'{value}' is not the number of a run; `tidemill runs` lists them")


def run_and_step(run: str | None, step: str | None) -> tuple[int | None, str | None]:
    """`[RUN] [STEP]`: a single word that is no number is the step."""
    if run is not None and step is None and not run.removeprefix("#").isdigit():
        return None, run
    return (None if run is None else run_number(run)), step


def parameters(given: Iterable[str]) -> Mapping[str, str]:
    """`-p name=value`, any number of times. A value may hold `=` and be empty."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {text}: a param is given as name=value", f"-p {name or 'x'}=…")
        if name in found:
            raise UsageError(f"-p {name} is given twice", "leave one of them out")
        found[name] = value
    return found


def one_file(command: str, file: Path | None) -> Path:
    """The file to work on, if there is one; or an error that says what could be meant."""
    if file is None:
        raise UsageError("no file given", which_file(command, Path()))
    if file.is_dir():
        raise UsageError(f"{file} is a folder, not a file", which_file(command, file))
    if not file.exists():
        names = [path.name for path in tide_files(file.parent, limit=1000)]
        guess = did_you_mean(file.name, names).strip()
        raise UsageError(f"there is no file {file}", guess or which_file(command, Path()))
    return file
