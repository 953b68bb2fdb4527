"""`tidemill up`: the whole fleet on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.cli import console, serving

if TYPE_CHECKING:
    from tidemill.app.health import Health


@click.command(
    epilog="""\b
Examples:
  tidemill up
  tidemill up --postgres postgresql://tide@localhost/tide --slots 8
"""
)
@serving.POSTGRES
@serving.NATS
@serving.worker_options
@serving.LEASE
@serving.KEEP_AGE
@serving.KEEP_RUNS
@serving.HEALTH
@serving.LOG
def command(
    postgres: str | None,
    nats: str | None,
    slots: int | None,
    pool: str,
    labels: tuple[str, ...],
    region: str,
    resources: tuple[str, ...],
    name: str,
    artifacts: str | None,
    lease: float,
    keep_age: str | None,
    keep_runs: int | None,
    health: str | None,
    form: str,
) -> int:
    """Start a scheduler, a worker and a NATS server here.

    Runs are kept in the project's SQLite, or in a PostgreSQL. `tidemill apply` and
    `tidemill trigger` in this project then reach it. The first Ctrl-C waits for the steps
    that are at work, a second one stops them.
    """
    from tidemill.app.fleet import fleet
    from tidemill.app.processes.up import run_up
    from tidemill.app.processes.worker import WorkerOptions
    from tidemill.app.purging import keep

    project = console.project()
    options = WorkerOptions(
        pool,
        slots or 0,
        name,
        region,
        serving.labels_of(labels),
        artifacts,
        serving.resources_of(resources),
    )
    where = fleet(project, postgres=postgres, nats=nats)
    kept = keep(project, keep_age, keep_runs)

    async def run(checks: Health) -> None:
        await run_up(project, where, options, health=checks, lease=lease, keep=kept)

    return serving.serve(run, health, form)
