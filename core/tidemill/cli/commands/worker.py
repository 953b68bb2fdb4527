"""`tidemill worker`: carries out steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.cli import console, serving

if TYPE_CHECKING:
    from tidemill.app.health import Health


@click.command(
    epilog="""\b
Examples:
  tidemill worker --nats nats://nats
  tidemill worker --nats nats://nats --pool gpu --resources gpu=2,memory=60GiB
"""
)
@serving.NATS
@serving.worker_options
@serving.LEASE
@serving.HEALTH
@serving.LOG
def command(
    nats: str | None,
    slots: int | None,
    pool: str,
    labels: tuple[str, ...],
    region: str,
    resources: tuple[str, ...],
    name: str,
    artifacts: str | None,
    lease: float,
    health: str | None,
    form: str,
) -> int:
    """Carry out the steps of a pool.

    Steps run in the project of the current folder. It needs no access to the database.
    The first SIGTERM or Ctrl-C lets steps end and takes no new ones, a second one stops
    them.
    """
    from tidemill.app.fleet import fleet
    from tidemill.app.processes.worker import WorkerOptions, run_worker

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
    where = fleet(project, nats=nats)

    async def run(checks: Health) -> None:
        await run_worker(project, where, options, health=checks, lease=lease)

    return serving.serve(run, health, form)
