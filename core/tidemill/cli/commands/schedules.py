"""`tidemill schedules`: when runs start by themselves, and what became of it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from tidemill.cli import console, exits
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import duration, moment

if TYPE_CHECKING:
    from tidemill.model.rows import ScheduleRow

_HEAD = ["schedule", "pipeline", "when", "zone", "next", "last", "lag", "missed", "last missed"]


@click.command(
    epilog="""\b
Examples:
  tidemill schedules
  tidemill schedules nightly --next 5
  tidemill schedules --json
"""
)
@click.argument("pipeline", required=False)
@click.option(
    "--next",
    "count",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="Show so many times that come next.  [1]",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(pipeline: str | None, count: int, as_json: bool) -> int:
    """Show the schedules of a pipeline that was applied, or of all.

    `last` is the due time that the last run was made for, `lag` how long after it that was.
    `missed` counts due times that no run was made for: nobody was there, or an earlier run was
    still going. Times in a pause do not count.
    """
    found = console.past(console.project()).schedules(pipeline)
    shapes = [_shape(row, count) for row in found]
    if as_json:
        console.print_json(shapes)
        return exits.OK
    if not found:
        click.echo("no schedule has been applied", err=True)
        return exits.OK
    rows = [line for shape in shapes for line in _lines(shape)]
    for line in columns(_HEAD, rows, right=frozenset({"schedule", "lag", "missed"})):
        click.echo(line)
    return exits.OK


def _shape(row: ScheduleRow, count: int) -> dict[str, Any]:
    from tidemill.model import schedules

    later = schedules.offset(row.spec, row.pipeline)
    coming: list[float] = []
    if row.next_due is not None and not row.paused:
        following = schedules.times_after(row.spec, row.next_due - later)
        coming = [row.next_due, *(at + later for at in islice(following, count - 1))]
    lag = None
    if row.fired_at is not None and row.fired_due is not None:
        lag = row.fired_at - (row.fired_due + later)
    return {
        "schedule": row.number,
        "pipeline": row.pipeline,
        "when": _when(row.spec),
        "timezone": row.spec["timezone"],
        "overlap": row.spec["overlap"],
        "catchup": row.spec["catchup"],
        "params": row.spec["params"],
        "next": coming,
        "paused": row.paused,
        "reason": row.reason,
        "fired_due": row.fired_due,
        "fired_at": row.fired_at,
        "lag": lag,
        "missed": row.missed,
        "missed_at": row.missed_at,
    }


def _when(spec: Any) -> str:
    if spec["every"]:
        return f"every {duration(spec['every'] / 1000)}"
    return str(spec["cron"] or f"at {spec['at']}".replace("T", " "))


def _lines(shape: dict[str, Any]) -> list[list[str]]:
    """One for each time that comes next; the first has the rest, too."""
    first, *others = [moment(at) for at in shape["next"]] or [_why_none(shape)]
    lag = "" if shape["lag"] is None else duration(shape["lag"])
    missed = str(shape["missed"]) if shape["missed"] else ""
    head = [str(shape["schedule"]), clean(shape["pipeline"]), shape["when"], shape["timezone"]]
    rest = [moment(shape["fired_due"]), lag, missed, moment(shape["missed_at"])]
    return [[*head, first, *rest], *([""] * 4 + [at] + [""] * 4 for at in others)]


def _why_none(shape: dict[str, Any]) -> str:
    if not shape["paused"]:
        return "never again"
    return f"paused: {clean(shape['reason'])}" if shape["reason"] else "paused"


def said_of(rows: list[ScheduleRow], what: str, none: str) -> None:
    """What `pause` and `resume` say."""
    for row in rows:
        coming = f", next run {moment(row.next_due)}" if row.act_at is not None else ""
        click.echo(f"schedule {row.number} of {clean(row.pipeline)} {what}{coming}")
    if not rows:
        click.echo(none, err=True)
