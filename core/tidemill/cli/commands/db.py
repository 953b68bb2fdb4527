"""`tidemill db`: the database, the fleet's or the project's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits, serving
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidemill.app.purging import Report


@click.group(
    epilog="""\b
Examples:
  tidemill db upgrade --postgres postgresql://tide@db/tide
  tidemill db purge --older-than 90d --dry-run
"""
)
def command() -> None:
    """Look after the database."""


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


@command.command(
    epilog="""\b
Examples:
  tidemill db purge --older-than 30d --dry-run
  tidemill db purge --keep 100
"""
)
@click.option("--older-than", metavar="DURATION", help="Runs that ended longer ago: 30d, 12h.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="All but the latest N runs of each pipeline.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@serving.POSTGRES
def purge(
    older_than: str | None, keep: int | None, dry_run: bool, as_json: bool, postgres: str | None
) -> int:
    """Remove old runs, with all that is kept of them.

    What is beyond either limit goes. Without options the limits are those of the table `keep`
    in tidemill.toml. What is open stays, with what it was retried from; so do the latest run
    of each pipeline, its latest success, and the latest run of each schedule. Schedulers may
    go on meanwhile.
    """
    from tidemill.app import purging

    project = console.project()
    if older_than is None and keep is None:
        wanted = purging.keep(project)
    else:
        wanted = purging.limits(older_than, keep)
    if wanted.everything:
        raise UsageError(
            "purge what?", "--older-than 30d, --keep 100, or a table [keep] in tidemill.toml"
        )
    report = purging.purge(project, wanted, postgres, dry=dry_run)
    if as_json:
        console.print_json(_shape(report, dry_run))
    elif report.found:
        _print(report, dry_run)
    else:
        click.echo("nothing is to be removed")
    return exits.OK


def _shape(report: Report, dry_run: bool) -> dict[str, object]:
    found = {name: {"runs": r, "tasks": t} for name, (r, t) in sorted(report.found.items())}
    return {"dry_run": dry_run, "pipelines": found, "definitions": report.done.definitions}


def _print(report: Report, dry_run: bool) -> None:
    rows = [[clean(name), str(r), str(t)] for name, (r, t) in sorted(report.found.items())]
    head, right = ["pipeline", "runs", "tasks"], frozenset({"runs", "tasks"})
    for line in columns(head, rows, right=right, paint=lambda _r, _c, text: text):
        click.echo(line)
    runs = sum(r for r, _ in report.found.values())
    what = f"{runs} run{'s' * (runs != 1)}"
    click.echo(f"{what} would be removed" if dry_run else f"{what} removed")
