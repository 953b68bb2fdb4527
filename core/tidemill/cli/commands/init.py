"""`tidemill init`: writes what one starts from."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.cli import exits
from tidemill.cli.text import clean


@click.group(
    epilog="""\b
Examples:
  tidemill init plugin my-runner --dry-run
  tidemill init plugin my-runner
"""
)
def command() -> None:
    """Write what one starts from."""


@command.command(
    epilog="""\b
Examples:
  tidemill init plugin my-runner
  tidemill init plugin my-runner --into ~/src
"""
)
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the folder tidemill-NAME is made; here, if left out.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say which files would be written.")
def plugin(name: str, into: Path, dry_run: bool) -> int:
    """Write a plugin, with its tests, that works as it is.

    It is a distribution of Python, tidemill-NAME, with an executor and a notifier of the kind
    NAME. Nothing that is there is overwritten.
    """
    from tidemill.app.skeleton import plugin as plugin_skeleton

    skeleton = plugin_skeleton(name, into)
    if not dry_run:
        skeleton.write()
    for file in skeleton.files:
        click.echo(clean(str(skeleton.folder / file)))
    if not dry_run:
        click.echo(f"\ncd {clean(str(skeleton.folder))}")
        click.echo("pip install -e . pytest pytest-asyncio && pytest")
    return exits.OK
