"""`tidemill trigger`: starts a run on the fleet."""

from __future__ import annotations

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import parameters


@click.command(
    epilog="""\b
Examples:
  tidemill trigger release -p version=1.2.0
  tidemill trigger nightly --json
"""
)
@click.argument("pipeline")
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a param of the run."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def command(pipeline: str, params: tuple[str, ...], as_json: bool) -> int:
    """Start a run of a pipeline that was applied.

    It says the run's number and does not wait: `tidemill logs -f` watches it.
    """
    from tidemill.app import trigger

    number = trigger(console.project(), pipeline, parameters(params))
    if as_json:
        console.print_json({"run": number, "pipeline": pipeline})
    else:
        click.echo(f"run {number} of {pipeline}: tidemill logs -f {number}")
    return exits.OK
