"""`tidemill resume`: paused schedules go on."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.commands.schedules import said_of


@click.command(
    epilog="""\b
Examples:
  tidemill resume nightly
  tidemill resume --schedule 3
"""
)
@click.argument("pipeline", required=False)
@click.option("--schedule", "number", type=click.IntRange(1), metavar="N", help="This one alone.")
def command(pipeline: str | None, number: int | None) -> int:
    """Let the paused schedules of a pipeline, or one, go on.

    They go on with the next time from now. What fell into the pause is not caught up on.
    """
    from tidemill.app.pausing import resume

    rows = resume(console.project(), pipeline, number)
    said_of(rows, "goes on", "nothing to resume: it is not paused")
    return exits.OK
