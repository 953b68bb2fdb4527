"""`tidemill pipelines`: what was applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidemill.cli import console, exits
from tidemill.cli.style import Paint
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import moment

if TYPE_CHECKING:
    from tidemill.model.rows import PipelineRow

_HEAD = ["pipeline", "file", "commit", "applied", "by", "digest"]
_SHORT = 12
"""Characters of a commit, and of a digest, that are shown."""


@click.command(
    epilog="""\b
Examples:
  tidemill pipelines
  tidemill pipelines --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(as_json: bool) -> int:
    """List the pipelines that were applied.

    With the file each comes from, and the commit of git that it was at: `-dirty` where the
    checkout had changes that are in no commit.
    """
    rows = console.past(console.project()).pipelines()
    if as_json:
        console.print_json([_shape(row) for row in rows])
    elif not rows:
        click.echo("none has been applied yet: `tidemill apply FILE` does it")
    else:
        paint = Paint(console.colour())
        shown = [_row(row) for row in rows]
        for line in columns(_HEAD, shown, paint=lambda r, _, t: paint.faint(t) if r < 0 else t):
            click.echo(line)
    return exits.OK


def _shape(row: PipelineRow) -> dict[str, Any]:
    return {
        "pipeline": row.name,
        "file": row.file,
        "commit": row.commit or None,
        "applied_at": row.applied_at,
        "applied_by": row.applied_by,
        "digest": row.digest,
    }


def _row(row: PipelineRow) -> list[str]:
    head, dash, dirty = row.commit.partition("-")
    return [
        clean(row.name),
        clean(row.file),
        f"{head[:_SHORT]}{dash}{dirty}",
        moment(row.applied_at),
        clean(row.applied_by),
        row.digest[:_SHORT],
    ]
