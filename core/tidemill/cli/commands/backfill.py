"""`tidemill backfill`: runs for the due times of a span that has passed."""

from __future__ import annotations

from typing import Any

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import parameters
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import moment
from tidemill.errors import UsageError

_HEAD = ["backfill", "pipeline", "state", "made", "of", "next", "up to", "by", "detail"]


@click.command(
    epilog="""\b
Examples:
  tidemill backfill nightly --from 2026-01-01 --to 2026-01-31 --dry-run
  tidemill backfill nightly --from 2026-01-01 --to 2026-01-31 --max-parallel 4
  tidemill backfill --list
  tidemill backfill --cancel 3
"""
)
@click.argument("pipeline", required=False)
@click.option("--from", "first", metavar="WHEN", help="The first day or moment.")
@click.option("--to", "last", metavar="WHEN", help="The last day or moment, included.")
@click.option("--schedule", type=click.IntRange(1), metavar="N", help="One of several schedules.")
@click.option(
    "--max-parallel",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="How many of its runs may be open at a time.  [1]",
)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a param of all runs."
)
@click.option("--dry-run", is_flag=True, help="Show the due times, and make nothing.")
@click.option("--list", "listing", is_flag=True, help="Show all backfills.")
@click.option(
    "--cancel", type=click.IntRange(1), metavar="N", help="Cancel one, and its open runs."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object, or a list of them.")
def command(
    pipeline: str | None,
    first: str | None,
    last: str | None,
    schedule: int | None,
    max_parallel: int,
    params: tuple[str, ...],
    *,
    dry_run: bool,
    listing: bool,
    cancel: int | None,
    as_json: bool,
) -> int:
    """Make the runs of a schedule for a time that has passed.

    One for each of its due times from one day or moment to another, on the clock of its time
    zone, the oldest first and never more than --max-parallel open at a time. `run.due` is the
    due time. Schedulers make them, of the version that is applied then; this command waits for
    none of them.
    """
    if listing:
        return _list(as_json=as_json)
    if cancel is not None:
        return _cancel(cancel, as_json=as_json)
    if pipeline is None or first is None or last is None:
        raise UsageError(
            "a backfill needs a pipeline, --from and --to",
            "tidemill backfill nightly --from 2026-01-01 --to 2026-01-31",
        )
    from tidemill.app.backfilling import Wish, backfill

    wish = Wish(pipeline, first, last, schedule, max_parallel, parameters(params))
    number, times = backfill(console.project(), wish, dry_run=dry_run)
    if as_json:
        console.print_json({"backfill": number, "pipeline": pipeline, "due": times})
        return exits.OK
    if number is None:
        for at in times:
            click.echo(moment(at))
        click.echo(f"{len(times)} runs would be made", err=True)
    else:
        click.echo(f"backfill {number} of {pipeline}: {len(times)} runs are made bit by bit")
    return exits.OK


def _list(*, as_json: bool) -> int:
    found = console.past(console.project()).backfills()
    if as_json:
        console.print_json([row._asdict() | {"state": _state(row)} for row in found])
        return exits.OK
    if not found:
        click.echo("there is no backfill", err=True)
        return exits.OK
    rows = [
        [
            str(row.number), clean(row.pipeline), _state(row), str(row.made), str(row.total),
            moment(row.next_due), moment(row.last), clean(row.created_by), clean(row.detail),
        ]
        for row in found
    ]  # fmt: skip
    for line in columns(_HEAD, rows, right=frozenset({"backfill", "made", "of"})):
        click.echo(line)
    return exits.OK


def _state(row: Any) -> str:
    if row.ended_at is None:
        return "at work"
    return "ended" if row.made == row.total else "stopped"


def _cancel(number: int, *, as_json: bool) -> int:
    from tidemill.app.backfilling import cancel_backfill

    count = cancel_backfill(console.project(), number)
    if as_json:
        console.print_json({"backfill": number, "cancelled_runs": count})
    else:
        click.echo(f"backfill {number} is cancelled, and {count} open runs of it")
    return exits.OK
