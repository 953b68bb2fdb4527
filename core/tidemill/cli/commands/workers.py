"""`tidemill workers`: who is there, and what they hold."""

from __future__ import annotations

import time

import click

from tidemill.cli import console, exits
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import elapsed

_HEAD = ["worker", "pool", "slots", "region", "labels", "heard", "state", "holds"]
_MOST = 4
_SILENT = 60.0


@click.command(
    epilog="""\b
Examples:
  tidemill workers
  tidemill workers --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(as_json: bool) -> int:
    """Show the workers of the fleet.

    One that has not been heard for a minute is called silent; after an hour it is
    forgotten.
    """
    found = console.past(console.project()).workers()
    if as_json:
        console.print_json(
            [
                {**row._asdict(), "holds": [{"run": t.run, "task": t.key} for t in held]}
                for row, held in found
            ]
        )
        return exits.OK
    if not found:
        click.echo("no worker has been heard of", err=True)
        return exits.OK
    now, rows = time.time(), []
    for row, held in found:
        labels = " ".join(f"{name}={value}" for name, value in sorted(row.labels.items()))
        state = "draining" if row.draining else "there"
        state = "silent" if now - row.heard_at > _SILENT else state
        keys = [f"{clean(task.key)} of {task.run}" for task in held[:_MOST]]
        keys += [f"{len(held) - _MOST} more"] if len(held) > _MOST else []
        rows.append(
            [
                clean(row.name),
                clean(row.pool),
                f"{len(held)}/{row.slots}",
                clean(row.region),
                clean(labels),
                f"{elapsed(row.heard_at, None, now)} ago",
                state,
                ", ".join(keys),
            ]
        )
    for line in columns(_HEAD, rows, right=frozenset({"slots"}), paint=lambda _r, _c, text: text):
        click.echo(line)
    return exits.OK
