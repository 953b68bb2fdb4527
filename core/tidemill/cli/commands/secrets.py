"""`tidemill secrets`: which provider has a secret. Never its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.table import columns
from tidemill.cli.text import clean

if TYPE_CHECKING:
    from tidemill.app import SecretState

_FILE = ".tide"


@click.command(
    epilog="""\b
Examples:
  tidemill secrets
  tidemill secrets deploy.tide
  tidemill secrets DEPLOY_TOKEN SIGNING_KEY --json
"""
)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def command(names: tuple[str, ...], as_json: bool) -> int:
    """Say which provider has a secret, never its value.

    Of a .tide file, every secret that stands in it is looked up. Without a NAME
    the providers are shown, in the order in which they are asked. Exits with 3 if
    a secret is missing, or a provider does not work.
    """
    if not names:
        return _providers(as_json=as_json)
    from tidemill.app import secret_sources

    asked = _names(names)
    found = secret_sources(console.project().root, asked)
    if as_json:
        console.print_json([{"name": name, "provider": found.get(name)} for name in asked])
    else:
        _print(asked, found)
    return exits.OK if len(found) == len(asked) else exits.ENVIRONMENT


def _names(given: Sequence[str]) -> list[str]:
    """Those that are named, and those in files, each once."""
    names: list[str] = []
    for each in given:
        if each.endswith(_FILE):
            from tidemill.app import secrets_in

            names.extend(secrets_in(Path(each)))
        else:
            names.append(each)
    return list(dict.fromkeys(names))


def _print(asked: Sequence[str], found: Mapping[str, str]) -> None:
    rows = [[clean(name), clean(found.get(name, "missing"))] for name in asked]

    def paint(row: int, column: int, text: str) -> str:
        missing = row >= 0 and column == 1 and asked[row] not in found
        return click.style(text, fg="red") if missing else text

    for line in columns(["secret", "from"], rows, paint=paint):
        click.echo(line)


def _providers(*, as_json: bool) -> int:
    from tidemill.app import secret_states

    states = secret_states(console.project().root)
    if as_json:
        console.print_json([{"provider": each.title, "problem": each.problem} for each in states])
    else:
        _print_states(states)
    return exits.ENVIRONMENT if any(each.problem for each in states) else exits.OK


def _print_states(states: Sequence[SecretState]) -> None:
    rows = [[clean(each.title), clean(each.problem) or "ok"] for each in states]
    for line in columns(["provider", "state"], rows):
        click.echo(line)
