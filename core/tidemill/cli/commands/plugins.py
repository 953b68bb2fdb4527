"""`tidemill plugins`: what is installed, and the settings of what it offers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.suggest import did_you_mean
from tidemill.cli.table import columns
from tidemill.cli.text import clean
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidemill.app import Installed


@click.command(
    epilog="""\b
Examples:
  tidemill plugins
  tidemill plugins local
  tidemill plugins --json
"""
)
@click.argument("kind", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(kind: str | None, as_json: bool) -> int:
    """List plugins, and what they offer.

    With a KIND (the word behind `executor` or `notify` in a file, or a function's name),
    its settings or parameters. Exits with 3 if a plugin cannot be used.
    """
    from tidemill.app import installed

    found = installed()
    if kind is not None:
        found = _of_kind(found, kind)
    if as_json:
        console.print_json([asdict(each) for each in found])
    elif kind is not None:
        _print_settings(found)
    else:
        _print(found)
    return exits.ENVIRONMENT if any(each.problem for each in found) else exits.OK


def _of_kind(found: list[Installed], kind: str) -> list[Installed]:
    chosen = [each for each in found if each.kind == kind]
    if not chosen:
        kinds = sorted({each.kind for each in found})
        raise UsageError(
            f"no plugin offers {kind}.{did_you_mean(kind, kinds)}",
            f"there are: {', '.join(kinds)}",
        )
    return chosen


def _print(found: list[Installed]) -> None:
    rows = [
        [
            each.kind,
            each.sort,
            clean(f"{each.distribution} {each.version}"),
            "ok" if not each.problem else "failed",
            clean(each.problem or each.description),
        ]
        for each in found
    ]

    def paint(row: int, column: int, text: str) -> str:
        if row < 0 or column != _STATE:
            return text
        return click.style(text, fg="red" if rows[row][_STATE] == "failed" else "green")

    for line in columns(_HEAD, rows, paint=paint):
        click.echo(line)


_HEAD = ["kind", "is", "from", "state", ""]
_STATE = 3


def _print_settings(found: list[Installed]) -> None:
    for each in found:
        sort = each.sort or "plugin"
        click.echo(f"{sort} {each.kind}, of {clean(each.distribution)} {clean(each.version)}")
        if each.description:
            click.echo(clean(each.description))
        if each.problem:
            click.echo(f"{click.style('failed:', fg='red')} {clean(each.problem)}")
        rows = [
            [
                field.name,
                field.type,
                "required" if field.required else _short(field.default),
                clean(field.doc),
            ]
            for field in each.settings
        ]
        if rows:
            click.echo()
        word = "parameter" if each.sort == "function" else "setting"
        for line in columns([word, "type", "default", ""], rows) if rows else ():
            click.echo(line)


def _short(default: str) -> str:
    """A template is longer than a table is wide; --json has the whole."""
    return default if len(default) <= _DEFAULT_WIDTH else f"{default[: _DEFAULT_WIDTH - 1]}…"


_DEFAULT_WIDTH = 40
