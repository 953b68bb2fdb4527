"""`tidemill runs`: what ran lately."""

from __future__ import annotations

import time

import click

from tidemill.cli import console, exits, words
from tidemill.cli.latest import no_runs
from tidemill.cli.shapes import run_shape
from tidemill.cli.style import Paint
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.cli.times import elapsed, moment
from tidemill.cli.words import word
from tidemill.model.views import RunView

_HEAD = ["run", "pipeline", "state", "started", "time", "file", ""]


@click.command(
    epilog="""\b
Examples:
  tidemill runs
  tidemill runs --limit 100 --json
"""
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most."
)
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(limit: int, pipeline: str | None, as_json: bool) -> int:
    """List recent runs.

    The latest run comes first.
    """
    project = console.project()
    runs = console.past(project).runs(limit, pipeline)
    if as_json:
        console.print_json([run_shape(run) for run in runs])
    elif not runs:
        console.report(no_runs(project))
    else:
        _print(runs)
    return exits.OK


def _print(runs: list[RunView]) -> None:
    paint, now = Paint(console.colour()), time.time()
    rows = [_row(run, now) for run in runs]

    def coloured(row: int, column: int, text: str) -> str:
        if row < 0:
            return paint.faint(text)
        return paint.run(runs[row].state, text) if column == _HEAD.index("state") else text

    for line in columns(_HEAD, rows, right=frozenset({"run", "time"}), paint=coloured):
        click.echo(line)


def _row(run: RunView, now: float) -> list[str]:
    state = "interrupted" if run.interrupted else word(run.state)
    took = "" if run.interrupted else elapsed(run.started_at, run.ended_at, now)
    started = moment(run.started_at or run.created_at)
    again = [f"part of {run.parent}"] if run.parent else []
    again += [f"retry of {run.retry_of}"] if run.retry_of else []
    again += [late] if (late := words.late(run)) else []
    return [
        str(run.number),
        clean(run.pipeline),
        state,
        started,
        took,
        clean(run.file),
        ", ".join(again),
    ]
