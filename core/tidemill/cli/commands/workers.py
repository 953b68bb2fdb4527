"""`tidemill workers`: who is there, what they hold, and what they may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from tidemill.cli import console, exits
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import elapsed

if TYPE_CHECKING:
    from tidemill.app.workers import WorkerView

_HEAD = ["worker", "pool", "slots", "resources", "region", "labels", "heard", "state", "holds"]
_MOST = 4
_SILENT = 60.0


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  tidemill workers
  tidemill workers --json
  tidemill workers cordon w1 --reason "a new disk"
""",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> int:
    """Show the workers of the fleet, and cordon them.

    One that has not been heard for a minute is called silent; after an hour it is
    forgotten. Of resources it shows what steps take up that were placed there, and what
    there is.
    """
    if context.invoked_subcommand is not None:
        return exits.OK
    from tidemill.app.workers import worker_views

    found = worker_views(console.past(console.project()))
    if as_json:
        console.print_json([_shape(view) for view in found])
    elif not found:
        click.echo("no worker has been heard of", err=True)
    else:
        now = time.time()
        rows = [_row(view, now) for view in found]
        for line in columns(
            _HEAD, rows, right=frozenset({"slots"}), paint=lambda _r, _c, text: text
        ):
            click.echo(line)
    return exits.OK


@command.command(
    epilog="""\b
Example:
  tidemill workers cordon w1 --reason "a new disk"
"""
)
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who look.")
def cordon(name: str, reason: str) -> int:
    """Have a worker take nothing new.

    What it holds goes on. It stands until it is lifted, also when the worker is started
    again under this name.
    """
    from tidemill.app.workers import cordon as do

    click.echo(clean(do(console.project(), name, reason)))
    return exits.OK


@command.command(
    epilog="""\b
Example:
  tidemill workers uncordon w1
"""
)
@click.argument("name")
def uncordon(name: str) -> int:
    """Have a worker take work again."""
    from tidemill.app.workers import uncordon as do

    click.echo(clean(do(console.project(), name)))
    return exits.OK


@command.command(
    epilog="""\b
Examples:
  tidemill workers drain w1
  tidemill workers drain w1 --within 600
"""
)
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who look.")
@click.option(
    "--within",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait at most.  [default: for ever]",
)
def drain(name: str, reason: str, within: float | None) -> int:
    """Cordon a worker, and wait until it holds nothing.

    Nothing is stopped. Its process may be ended then. Exits with 1 if it still holds
    something when the time is over; it stays cordoned.
    """
    from tidemill.app.workers import cordon as do
    from tidemill.app.workers import wait_until_empty

    project = console.project()
    click.echo(clean(do(project, name, reason)))
    if wait_until_empty(project, name, within):
        click.echo(f"{clean(name)} holds nothing any more")
        return exits.OK
    click.echo(f"{clean(name)} still holds something: `tidemill workers` shows it", err=True)
    return exits.FAILED


def _state(view: WorkerView, now: float) -> str:
    if now - view.row.heard_at > _SILENT:
        return "silent"
    if view.cordon is not None:
        return "cordoned"
    return "draining" if view.row.draining else "there"


def _shape(view: WorkerView) -> dict[str, Any]:
    cordoned = view.cordon
    return {
        **view.row._asdict(),
        "used": view.used,
        "cordon": None
        if cordoned is None
        else {"at": cordoned.at, "by": cordoned.by, "reason": cordoned.reason},
        "holds": [{"run": task.run, "task": task.key} for task in view.held],
    }


def _row(view: WorkerView, now: float) -> list[str]:
    from tidemill.model.unplaceable import used_text

    row, held = view.row, view.held
    state, why = _state(view, now), "" if view.cordon is None else view.cordon.reason
    keys = [f"{clean(task.key)} of {task.run}" for task in held[:_MOST]]
    keys += [f"{len(held) - _MOST} more"] if len(held) > _MOST else []
    return [
        clean(row.name),
        clean(row.pool),
        f"{len(held)}/{row.slots}",
        clean(" ".join(used_text(view.used, row.resources))),
        clean(row.region),
        clean(" ".join(f"{name}={value}" for name, value in sorted(row.labels.items()))),
        f"{elapsed(row.heard_at, None, now)} ago",
        clean(f"{state} ({why})" if why else state),
        ", ".join(keys),
    ]
