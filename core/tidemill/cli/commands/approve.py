"""`tidemill approve`: says yes or no to a step that asks."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import run_and_step
from tidemill.cli.latest import number_or_latest
from tidemill.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  tidemill approve ship                          of the latest run
  tidemill approve 7 'ship[eu]' --reason "looks good"
  tidemill approve 7 ship --reject --reason "not on a Friday"
"""
)
@click.argument("run", required=False)
@click.argument("step", required=False)
@click.option("--reject", is_flag=True, help="Say no.")
@click.option("--reason", metavar="TEXT", default="", help="Why; it is kept with the decision.")
def command(run: str | None, step: str | None, reject: bool, reason: str) -> int:
    """Approve a step that waits for it, or reject it.

    RUN is the latest run unless given. STEP is a step, or one instance of it where
    several wait. The first decision counts; it is kept with your name.
    """
    from tidemill.app import Answer, request_decision

    given, step = run_and_step(run, step)
    if step is None:
        raise UsageError("no step given", "`tidemill status` shows which wait for approval")
    project = console.project()
    number = number_or_latest(project, given)
    answer = Answer(step, not reject, " ".join(reason.split()))
    click.echo(request_decision(project, number, answer))
    return exits.OK
