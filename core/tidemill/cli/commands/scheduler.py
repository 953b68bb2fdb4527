"""`tidemill scheduler`: one of the fleet's schedulers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.cli import console, serving

if TYPE_CHECKING:
    from tidemill.app.health import Health


@click.command(
    epilog="""\b
Example:
  tidemill scheduler --postgres postgresql://tide@db/tide --nats nats://nats
"""
)
@serving.POSTGRES
@serving.NATS
@click.option(
    "--replicas",
    type=click.Choice(["1", "3", "5"]),
    default="1",
    show_default=True,
    help="Copies of each stream, in a NATS cluster of at least so many servers.",
)
@serving.LEASE
@serving.REGION_WAIT
@serving.KEEP_AGE
@serving.KEEP_RUNS
@serving.HEALTH
@serving.LOG
def command(
    postgres: str | None,
    nats: str | None,
    replicas: str,
    lease: float,
    region_wait: float,
    keep_age: str | None,
    keep_runs: int | None,
    health: str | None,
    form: str,
) -> int:
    """Schedule the fleet's runs.

    Any number of them share the work; when one dies, the others do all of it. The first
    SIGTERM ends it cleanly.
    """
    from tidemill.app.fleet import fleet
    from tidemill.app.processes.scheduler import run_scheduler
    from tidemill.app.purging import keep

    project = console.project()
    where = fleet(project, postgres=postgres, nats=nats)
    kept = keep(project, keep_age, keep_runs)

    async def run(checks: Health) -> None:
        await run_scheduler(
            project,
            where,
            replicas=int(replicas),
            health=checks,
            lease=lease,
            keep=kept,
            region_wait=region_wait,
        )

    return serving.serve(run, health, form)
