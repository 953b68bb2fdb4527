"""`tidemill apply`: files become the pipelines of the fleet."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import console, exits
from tidemill.cli.text import clean
from tidemill.cli.times import moment
from tidemill.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  tidemill apply release.tide
  tidemill apply pipelines/*.tide --json
"""
)
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Make files' pipelines those of the fleet.

    All of them or, where one has a mistake, none. Their schedules start runs from now on;
    those that a file has no more are gone. Runs that are under way keep what they started
    with. Applying again changes nothing.
    """
    if not files:
        raise UsageError("no file given", "tidemill apply release.tide")
    from tidemill.app import MistakesError, apply

    try:
        applied = apply(console.project(), files)
    except MistakesError as error:
        from tidemill.cli.checking import show

        show(error.compilation.diagnostics, err=True)
        return error.exit_code
    if as_json:
        console.print_json(
            [
                {"pipeline": a.pipeline, "change": a.change, "digest": a.digest, "next": a.next}
                for a in applied
            ]
        )
        return exits.OK
    for one in applied:
        due = f", next run {moment(one.next[0])}" if one.next else ""
        click.echo(f"{clean(one.pipeline)}: {one.change}{due}")
    return exits.OK
