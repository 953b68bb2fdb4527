"""`tidemill validate`: every mistake of the files, before anything runs."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import exits


@click.command(
    epilog="""\b
Examples:
  tidemill validate release.tide
  tidemill validate . --format sarif > tidemill.sarif
"""
)
@click.argument("files", nargs=-1, metavar="FILES...", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github", "gitlab"]),
    default="text",
    show_default=True,
    help="For people, for programs, or as annotations of a CI system.",
)
def command(files: tuple[Path, ...], form: str) -> int:
    """Check .tide files and report every mistake.

    Of a folder, every .tide file below it is checked. Exits with 0 if all is well, 1
    if there are errors, 2 if something could not be read.
    """
    from tidemill.cli.checking import check, print_for, print_text
    from tidemill.cli.suggest import which_file
    from tidemill.errors import UsageError

    if not files:
        raise UsageError("no file given", which_file("validate", Path()))
    checked = check(files)
    if form == "text":
        print_text(checked)
    else:
        print_for(checked, form)
    if checked.unreadable:
        return exits.USAGE
    return exits.FAILED if checked.errors else exits.OK
