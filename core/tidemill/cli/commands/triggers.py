"""`tidemill triggers`: what else starts runs than people and the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import elapsed

if TYPE_CHECKING:
    from tidemill.model.triggers import TriggerRow

_HEAD = ["pipeline", "trigger", "last event", "last run", "trouble"]


@click.command(
    epilog="""\b
Examples:
  tidemill triggers
  tidemill triggers deploy --json
"""
)
@click.argument("pipeline", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(pipeline: str | None, as_json: bool) -> int:
    """Show the triggers of the fleet, or of a PIPELINE.

    Trouble is why the last event that came could not start a run, though it should have
    been asked: a field that is missing, a value that does not fit.
    """
    from tidemill.app.events import triggers

    found = triggers(console.project(), pipeline)
    if as_json:
        console.print_json([_object(row) for row in found])
        return exits.OK
    if not found:
        click.echo("there are no triggers", err=True)
        return exits.OK
    now = time.time()
    for line in columns(_HEAD, [_row(row, now) for row in found], paint=lambda _r, _c, text: text):
        click.echo(line)
    return exits.OK


def _object(row: TriggerRow) -> dict[str, object]:
    left_out = {"identity", "place", "digest", "number"}
    return {name: value for name, value in row._asdict().items() if name not in left_out}


def _row(row: TriggerRow, now: float) -> list[str]:
    heard = "" if row.heard_at is None else f"{elapsed(row.heard_at, None, now)} ago"
    return [
        clean(row.pipeline),
        clean(f"{row.kind} {row.source}"),
        heard,
        "" if row.fired_run is None else str(row.fired_run),
        clean(row.trouble),
    ]
