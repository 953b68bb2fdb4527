"""`tidemill artifacts`: files that steps have put out, and results of cached steps."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits, serving
from tidemill.cli.table import columns
from tidemill.cli.text import clean, plural

if TYPE_CHECKING:
    from tidemill.app.collecting import Collected, Stock


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  tidemill artifacts
  tidemill artifacts gc --older-than 7d --dry-run
""",
)
@serving.ARTIFACTS
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_context
def command(ctx: click.Context, artifacts: str | None, as_json: bool) -> int:
    """Look after files that steps have put out.

    Without a command it says how much there is.
    """
    ctx.obj = artifacts
    if ctx.invoked_subcommand is not None:
        return exits.OK
    from tidemill.app.collecting import stock

    found = stock(console.project(), artifacts)
    if as_json:
        console.print_json(asdict(found))
    else:
        _print(found)
    return exits.OK


def _print(found: Stock) -> None:
    click.echo(clean(found.address))
    rows = [
        ["artifacts", str(found.artifacts), size(found.artifact_bytes)],
        ["results of cached steps", str(found.results), size(found.result_bytes)],
    ]
    right = frozenset({"count", "size"})
    for line in columns(["", "count", "size"], rows, right=right, paint=lambda _r, _c, text: text):
        click.echo(line)


@command.command(
    epilog="""\b
Examples:
  tidemill artifacts gc --dry-run
  tidemill artifacts gc --older-than 7d
"""
)
@click.option(
    "--older-than",
    metavar="DURATION",
    show_default="1d",
    help="Only what was stored, or used by a cached step, longer ago.",
)
@click.option(
    "--results-older-than",
    metavar="DURATION",
    show_default="30d",
    help="Results of cached steps that nobody used for so long.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@serving.ARTIFACTS
@serving.POSTGRES
@click.pass_obj
def gc(
    above: str | None,
    older_than: str | None,
    results_older_than: str | None,
    dry_run: bool,
    as_json: bool,
    artifacts: str | None,
    postgres: str | None,
) -> int:
    """Remove what no run and no cached result refers to.

    Steps may go on meanwhile: what one of them stores or uses again is left alone. Schedulers do
    the same by themselves, where they remove old runs.
    """
    from tidemill.app import collecting

    done = collecting.gc(
        console.project(),
        artifacts or above,
        postgres,
        older_than=older_than,
        results_older_than=results_older_than,
        dry=dry_run,
    )
    if as_json:
        console.print_json({"dry_run": dry_run, **asdict(done)})
    else:
        click.echo(_said(done, dry_run))
    return exits.OK


def _said(done: Collected, dry_run: bool) -> str:
    what = f"{plural(done.objects, 'artifact')} ({size(done.bytes)})"
    if done.results:
        what += f" and {plural(done.results, 'result')}"
    would = "would be removed" if dry_run else "removed"
    stay = "would stay" if dry_run else "stay"
    return f"{what} {would}, {done.kept} ({size(done.kept_bytes)}) {stay}"


def size(count: int) -> str:
    """Bytes as people say them: 1.5 GiB."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
