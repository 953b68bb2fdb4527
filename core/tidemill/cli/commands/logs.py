"""`tidemill logs`: what the steps of a run printed."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import run_and_step
from tidemill.cli.latest import number_or_latest


@click.command(
    epilog="""\b
Examples:
  tidemill logs                  everything of the latest run
  tidemill logs build            one step of the latest run
  tidemill logs 7 'unit[3.12]'   one instance of a step
  tidemill logs 7 -f             until run 7 ends
"""
)
@click.argument("run", required=False)
@click.argument("step", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option(
    "--attempt",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="the latest",
    help="Which attempt.",
)
def command(run: str | None, step: str | None, follow: bool, attempt: int | None) -> int:
    """Show what steps printed.

    RUN is the latest run unless given. STEP is a step, with all its instances, or one
    instance; without it all steps are shown, each line behind its step's name. The log
    of a single task goes to a pipe or file as it was printed, control sequences and all.
    """
    from tidemill.cli import logs

    given, step = run_and_step(run, step)
    project = console.project()
    number = number_or_latest(project, given)
    past = console.past(project)
    if past.row(number).pooled:
        from tidemill.cli.fleet_logs import FleetLogs

        of_fleet = FleetLogs(project, past, number, step, attempt)
        of_fleet.follow() if follow else of_fleet.show()
        return exits.OK
    reader = logs.Logs(past, number, step, attempt)
    if follow:
        logs.follow(reader)
    else:
        logs.show(reader)
    return exits.OK
