"""`tidemill apply`: files become the pipelines of the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.planning import sources_of
from tidemill.cli.text import clean
from tidemill.cli.times import moment
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidemill.app import Sources
    from tidemill.app.plan_file import SavedPlan


@click.command(
    epilog="""\b
Examples:
  tidemill apply release.tide
  tidemill apply pipelines/ --prune --json
  tidemill apply --plan next.plan
"""
)
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1)
@click.option("--prune", is_flag=True, help="Remove pipelines that are in these paths no more.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Do what this plan says, if it still holds.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(paths: tuple[Path, ...], prune: bool, plan_file: Path | None, as_json: bool) -> int:
    """Make files' pipelines those of the fleet.

    All of them or, where one has a mistake, none. Their schedules start runs from now on;
    those that a file has no more are gone. Runs that are under way keep what they started
    with. Applying again changes nothing. PATHS are files, or folders with all that is below
    them; `tidemill plan` shows before what is going to change.
    """
    from tidemill.app import MistakesError, apply

    sources, saved = _asked(paths, prune=prune, plan_file=plan_file)
    try:
        applied = apply(console.project(), sources, saved)
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


def _asked(
    paths: tuple[Path, ...], *, prune: bool, plan_file: Path | None
) -> tuple[Sources, SavedPlan | None]:
    if plan_file is None:
        return sources_of("apply", paths, prune=prune), None
    if paths or prune:
        raise UsageError("a plan says itself which files it is of", "leave out what else is given")
    from tidemill.app import read_plan

    saved = read_plan(plan_file)
    return sources_of("apply", saved.paths, prune=saved.prune), saved
