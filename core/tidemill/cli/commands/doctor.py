"""`tidemill doctor`: what is in order here, and what is not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits

if TYPE_CHECKING:
    from tidemill.app import Check

_WORDS = {True: ("ok", "green"), False: ("wrong", "red"), None: ("note", "yellow")}


@click.command(
    epilog="""\b
Examples:
  tidemill doctor
  tidemill -C ~/src/shop doctor --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(as_json: bool) -> int:
    """Check this machine and project for trouble.

    Exits with 3 if something is wrong that runs would stumble over.
    """
    from tidemill.app import checks

    found = checks(console.project())
    if as_json:
        console.print_json([asdict(check) for check in found])
    else:
        _print(found)
    return exits.ENVIRONMENT if any(check.ok is False for check in found) else exits.OK


def _print(found: list[Check]) -> None:
    width = max((len(check.name) for check in found), default=0)
    for check in found:
        word, colour = _WORDS[check.ok]
        click.echo(f"{click.style(f'{word:5}', fg=colour)}  {check.name:{width}}  {check.detail}")
        for line in check.hint.splitlines() if check.ok is not True else ():
            click.echo(f"       {click.style('help:', fg='cyan')} {line}")
