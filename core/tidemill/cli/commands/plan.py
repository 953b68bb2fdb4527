"""`tidemill plan`: what applying files would do."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import console, exits
from tidemill.cli.planning import plan_lines, plan_shape, sources_of
from tidemill.cli.style import Paint


@click.command(
    epilog="""\b
Examples:
  tidemill plan release.tide
  tidemill plan pipelines/ --prune --out next.plan
  tidemill apply --plan next.plan
  tidemill plan pipelines/ --detailed-exitcode --json
"""
)
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1)
@click.option("--prune", is_flag=True, help="Remove pipelines that are in these paths no more.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the plan, for `apply --plan FILE`.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 4 where there is something to do."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    paths: tuple[Path, ...], prune: bool, out: Path | None, detailed_exitcode: bool, as_json: bool
) -> int:
    """Show what applying files would do.

    Pipelines, steps, schedules and triggers that are new, changed or gone, and when schedules
    are due next. Nothing is changed. PATHS are files, or folders with all that is below them.
    """
    from tidemill.app import MistakesError, plan_files, save_plan

    sources = sources_of("plan", paths, prune=prune)
    try:
        plan = plan_files(console.project(), sources)
    except MistakesError as error:
        from tidemill.cli.checking import show

        show(error.compilation.diagnostics, err=True)
        return error.exit_code
    if out is not None:
        save_plan(out, plan, paths, prune=prune)
    if as_json:
        console.print_json(plan_shape(plan))
    else:
        click.echo("\n".join(plan_lines(plan, Paint(console.colour()))))
    return exits.CHANGES if detailed_exitcode and not plan.is_empty else exits.OK
