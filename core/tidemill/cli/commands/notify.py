"""`tidemill notify`: whether people are told, and what they were not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import one_file, parameters
from tidemill.cli.table import columns
from tidemill.cli.text import clean, plural
from tidemill.cli.times import moment
from tidemill.model.requests import RunRequest

if TYPE_CHECKING:
    from tidemill.app.telling import Untold


@click.group(
    epilog="""\b
Examples:
  tidemill notify test release.tide
  tidemill notify list
"""
)
def command() -> None:
    """See to it that people are told."""


@command.command(
    epilog="""\b
Examples:
  tidemill notify test release.tide
  tidemill notify test release.tide slack
"""
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.argument("kind", required=False)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a param of the run."
)
@click.option("--pipeline", metavar="NAME", help="Which pipeline, where the file has several.")
def test(file: Path | None, kind: str | None, params: tuple[str, ...], pipeline: str | None) -> int:
    """Send a message by each `notify` of a pipeline, and say what came of it.

    With a KIND, by those of this kind alone. The secrets are looked up here, as for
    `tidemill run`. Exits with 3 if one was not taken.
    """
    request = RunRequest(one_file("notify test", file), pipeline, parameters(params))
    from tidemill.app import MistakesError
    from tidemill.app.telling import try_notifiers

    try:
        tried = try_notifiers(console.project(), request, kind)
    except MistakesError as error:
        from tidemill.cli.checking import show

        show(error.compilation.diagnostics, err=True)
        return error.exit_code
    for each in tried:
        state = click.style("failed", fg="red") if each.error else click.style("taken", fg="green")
        click.echo(f"notify {each.kind}: {state}{': ' if each.error else ''}{clean(each.error)}")
    return exits.ENVIRONMENT if any(each.error for each in tried) else exits.OK


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def list_(as_json: bool) -> int:
    """List what nobody has been told yet, or never will be.

    A message is sent again with longer and longer pauses; after 12 tries, some eight hours,
    it is given up.
    """
    from tidemill.app.telling import untold

    found = untold(console.project())
    if as_json:
        console.print_json([asdict(each) for each in found])
    elif not found:
        click.echo("everybody has been told of everything")
    else:
        for line in columns(_HEAD, [_row(each) for each in found]):
            click.echo(line)
    return exits.OK


_HEAD = ["notice", "run", "pipeline", "by", "event", "happened", "tries", "next", "because"]


def _row(each: Untold) -> list[str]:
    return [
        str(each.number),
        str(each.run),
        each.pipeline,
        each.kind,
        each.event + (f" {each.step}" if each.step else ""),
        moment(each.at),
        str(each.tries),
        "given up" if each.due_at is None else moment(each.due_at),
        clean(each.error),
    ]


@command.command()
@click.argument("notices", nargs=-1, type=click.IntRange(min=1))
def retry(notices: tuple[int, ...]) -> int:
    """Send once more what was given up: these NOTICES, or all.

    A scheduler sends them.
    """
    from tidemill.app.telling import resend

    count = resend(console.project(), notices)
    click.echo(f"{plural(count, 'notice')} will be sent once more")
    return exits.OK
