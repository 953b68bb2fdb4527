"""`tidemill cancel`: stops a run, also one of another process."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import run_number


@click.command(
    epilog="""\b
Example:
  tidemill cancel 7
"""
)
@click.argument("run", type=run_number)
def command(run: int) -> int:
    """Cancel a run.

    Its steps get SIGTERM and, after a grace period, SIGKILL. What has succeeded stays;
    `tidemill retry` goes on from there.
    """
    from tidemill.app import request_cancel

    click.echo(request_cancel(console.project(), run))
    return exits.OK
