"""`tidemill db`: the fleet's database."""

from __future__ import annotations

import click

from tidemill.cli import console, exits, serving
from tidemill.errors import UsageError


@click.group(
    epilog="""\b
Example:
  tidemill db upgrade --postgres postgresql://tide@db/tide
"""
)
def command() -> None:
    """Look after the fleet's database."""


@command.command()
@serving.POSTGRES
def upgrade(postgres: str | None) -> int:
    """Make the tables, or bring those of an older version up to date.

    Safe to repeat, and to be done by several at once. Stop schedulers of the older version
    before.
    """
    from tidemill.app.fleet import fleet, upgrade_database

    where = fleet(console.project(), postgres=postgres)
    if where.postgres is None:
        raise UsageError(
            "which database?", "--postgres URL; the project's own SQLite upgrades itself"
        )
    click.echo(upgrade_database(where.postgres))
    return exits.OK
