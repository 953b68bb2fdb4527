"""`tidemill explain`: the page of a diagnostic code."""

from __future__ import annotations

import click

from tidemill.cli import exits


@click.command(
    epilog="""\b
Example:
  tidemill explain T201
"""
)
@click.argument("code")
def command(code: str) -> int:
    """Explain a diagnostic code.

    Shows what it means, an example that gets it, and one that does not.
    """
    from tidemill.cli.explaining import page

    click.echo(page(code))
    return exits.OK
