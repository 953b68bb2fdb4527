"""`tidemill fmt`: one layout for all files."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import exits


@click.command(
    epilog="""\b
Examples:
  tidemill fmt release.tide
  tidemill fmt --check .           in CI
  tidemill fmt - < release.tide    in an editor
"""
)
@click.argument("files", nargs=-1, metavar="FILES...", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def command(files: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Lay .tide files out in the one canonical way.

    Of a folder, every .tide file below it is laid out; `-` reads a file from stdin and
    prints it. What a file means never changes, and no comment is lost. A file with
    mistakes is left as it is. Exits with 0 if all is well, 1 if a file has mistakes or
    (with --check) would change, 2 if something could not be read.
    """
    from tidemill.cli import layout
    from tidemill.cli.suggest import which_file
    from tidemill.errors import UsageError

    if not files:
        raise UsageError("no file given", which_file("fmt", Path()))
    if files == (Path("-"),):
        done = layout.stream(check=check, diff=diff)
    elif Path("-") in files:
        raise UsageError("`-` reads one file from stdin, and stands alone")
    else:
        done = layout.files(files, check=check, diff=diff)
    if done.unreadable:
        return exits.USAGE
    return exits.FAILED if done.mistakes or (check and done.changed) else exits.OK
