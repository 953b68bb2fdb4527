"""`tidemill why`: why a step ran, or did not."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import run_and_step
from tidemill.cli.latest import number_or_latest
from tidemill.cli.text import clean
from tidemill.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  tidemill why build               of the latest run
  tidemill why 7 'unit[3.12]' --json
"""
)
@click.argument("run", required=False)
@click.argument("step", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(run: str | None, step: str | None, as_json: bool) -> int:
    """Say why a step ran, or did not.

    Of a step with a cache: what has changed since the last time, or which run's result
    was used. RUN is the latest run unless given. STEP is a step, with all its instances,
    or one instance.
    """
    from tidemill.cli import why

    given, step = run_and_step(run, step)
    if step is None:
        raise UsageError("no step given", "tidemill why STEP")
    project = console.project()
    answers = why.answers(console.past(project), number_or_latest(project, given), step)
    if as_json:
        console.print_json([why.shape(answer) for answer in answers])
    else:
        for answer in answers:
            for line in why.lines(answer):
                click.echo(clean(line))
    return exits.OK
