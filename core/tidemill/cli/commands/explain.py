"""`tidemill explain`: the page of a diagnostic code."""

from __future__ import annotations

import click

from tidemill.cli import exits
from tidemill.cli.suggest import did_you_mean
from tidemill.errors import UsageError


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
    from tidelang.codes import all_codes, page

    text = page(code)
    if text is None:
        known = all_codes()
        guess = did_you_mean(code.upper(), known)
        raise UsageError(f"there is no code '{code}'.{guess}", f"the codes are {', '.join(known)}")
    click.echo(text.rstrip())
    return exits.OK
