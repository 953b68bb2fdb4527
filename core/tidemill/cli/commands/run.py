"""`tidemill run`: a pipeline, on this machine, shown while it goes."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import console
from tidemill.cli.arguments import one_file, parameters
from tidemill.model.requests import RunRequest, Selection


@click.command(
    epilog="""\b
Examples:
  tidemill run release.tide
  tidemill run release.tide -p version=1.2 --until unit
  tidemill run release.tide --only 'unit[3.12]' --dry-run
"""
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a param of the run."
)
@click.option("--pipeline", metavar="NAME", help="Which pipeline, where the file has several.")
@click.option("--only", multiple=True, metavar="STEP", help="Run this step alone. Repeatable.")
@click.option(
    "--from", "start", multiple=True, metavar="STEP", help="Run it and all that depends on it."
)
@click.option("--until", multiple=True, metavar="STEP", help="Run it and all it depends on.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option(
    "--max-parallel",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="one for each processor",
    help="How many steps at a time.",
)
@click.option(
    "--no-cache", "fresh", is_flag=True, help="Run cached steps too; keep their new results."
)
@click.option(
    "--notify", "told", is_flag=True, help="Tell people, as its `notify` blocks say they are told."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for every event.")
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
def command(
    file: Path | None,
    params: tuple[str, ...],
    pipeline: str | None,
    only: tuple[str, ...],
    start: tuple[str, ...],
    until: tuple[str, ...],
    dry_run: bool,
    max_parallel: int | None,
    fresh: bool,
    told: bool,
    as_json: bool,
    plain: bool,
) -> int:
    """Run a pipeline on this machine.

    On a terminal the run is shown live; elsewhere, or with --plain, as lines. The
    first Ctrl-C cancels cleanly, a second one at once.
    """
    request = RunRequest(
        file=one_file("run", file),
        pipeline=pipeline,
        params=parameters(params),
        selection=Selection(only, start, until),
        max_parallel=max_parallel,
        fresh=fresh,
        told=told,
    )
    from tidemill.app import MistakesError

    try:
        return _dry_run(request, as_json) if dry_run else _run(request, as_json, plain)
    except MistakesError as error:
        from tidemill.cli.checking import show

        show(error.compilation.diagnostics, err=True)
        return error.exit_code


def _dry_run(request: RunRequest, as_json: bool) -> int:
    from tidemill.cli.dry_run import show

    return show(console.project(), request, as_json=as_json)


def _run(request: RunRequest, as_json: bool, plain: bool) -> int:
    from tidemill.app import open_run
    from tidemill.cli.drive import drive

    return drive(open_run(console.project(), request), as_json=as_json, plain=plain)
