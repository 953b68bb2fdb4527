"""`tidemill retry`: goes on with a run, without what succeeded."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import run_number
from tidemill.cli.latest import number_or_latest


@click.command(
    epilog="""\b
Examples:
  tidemill retry
  tidemill retry 7
"""
)
@click.argument("run", type=run_number, required=False)
@click.option(
    "--max-parallel",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="one for each processor",
    help="How many steps at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for every event.")
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
def command(run: int | None, max_parallel: int | None, as_json: bool, plain: bool) -> int:
    """Run again what failed in a run, and what depends on it.

    Makes a new run that takes over every result that succeeded. RUN is the latest run
    unless given; one that was cancelled or interrupted is finished the same way.
    """
    from tidemill.app import is_pooled

    project = console.project()
    number = number_or_latest(project, run)
    if is_pooled(project, number):
        from tidemill.app import retry as retry_in_fleet

        made = retry_in_fleet(project, number)
        click.echo(f"run {made} goes on with run {number}: tidemill logs -f {made}")
        return exits.OK
    from tidemill.app import open_retry
    from tidemill.cli.drive import drive

    return drive(open_retry(project, number, max_parallel), as_json=as_json, plain=plain)
