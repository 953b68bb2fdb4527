"""`tidemill pause`: schedules start no runs for a while."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.commands.schedules import said_of


@click.command(
    epilog="""\b
Examples:
  tidemill pause nightly --reason "the database is being moved"
  tidemill pause --schedule 3
"""
)
@click.argument("pipeline", required=False)
@click.option("--schedule", "number", type=click.IntRange(1), metavar="N", help="This one alone.")
@click.option("--reason", default="", help="Why: `tidemill schedules` shows it.")
def command(pipeline: str | None, number: int | None, reason: str) -> int:
    """Pause the schedules of a pipeline, or one schedule.

    Runs that are under way go on. No run is made for a time that falls into the pause, not
    later either, whatever `catchup` says; `tidemill backfill` makes them.
    """
    from tidemill.app.pausing import pause

    rows = pause(console.project(), pipeline, number, reason)
    said_of(rows, "is paused", "nothing to pause: it is paused already")
    return exits.OK
