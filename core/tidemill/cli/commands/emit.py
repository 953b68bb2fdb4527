"""`tidemill emit`: sends an event, which triggers may start runs by."""

from __future__ import annotations

from dataclasses import asdict

import click

from tidemill.cli import console, exits


@click.command(
    epilog="""\b
Examples:
  tidemill emit git.push --data '{"branch": "main"}'
  tidemill emit report.ready --data @report.json --key report-17
"""
)
@click.argument("subject")
@click.option("--data", metavar="JSON", help="An object, the event's fields; @FILE reads one.")
@click.option("--key", help="Of events with the same key, only the first is taken in a day.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def command(subject: str, data: str | None, key: str | None, as_json: bool) -> int:
    """Send an event to the fleet.

    It is stored when this returns, and starts the runs of pipelines that have a
    `trigger event` with this SUBJECT.
    """
    from tidemill.app.events import emit

    sent = emit(console.project(), subject, data, key)
    if as_json:
        console.print_json(asdict(sent))
    elif not sent.new:
        click.echo(f"{subject}: an event with this key came before; this one starts nothing")
    elif sent.heard_by:
        click.echo(f"{subject}: stored, for {', '.join(sent.heard_by)}")
    else:
        click.echo(f"{subject}: stored, but no pipeline has a trigger for it")
    return exits.OK
