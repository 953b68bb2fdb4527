"""`tidemill server`: answers requests over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.cli import console, serving
from tidemill.errors import TidemillError

if TYPE_CHECKING:
    from tidemill.app.health import Health


@click.command(
    epilog="""\b
Example:
  tidemill server --listen 127.0.0.1:8321
"""
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8321",
    show_default=True,
    help="Where to answer.",
)
@click.option("--everywhere", is_flag=True, help="HOST may be reached from other machines.")
@serving.POSTGRES
@serving.NATS
@serving.HEALTH
@serving.LOG
def command(
    listen: str,
    everywhere: bool,
    postgres: str | None,
    nats: str | None,
    health: str | None,
    form: str,
) -> int:
    """Answer requests over HTTP: webhooks.

    `POST /webhooks/NAME` starts the runs of pipelines with a `trigger webhook NAME`, once
    it is signed with the webhook's secret. The server speaks no TLS: a proxy before it does.
    """
    from tidemill.app.fleet import fleet

    try:
        from tidemill.web.serving import run_server
    except ModuleNotFoundError as error:
        raise TidemillError(
            f"the server needs {error.name}, which is not installed",
            "pip install 'tidemill[server]'",
        ) from None
    project = console.project()
    where = fleet(project, postgres=postgres, nats=nats)

    async def run(checks: Health) -> None:
        await run_server(project, where, listen, everywhere=everywhere, health=checks)

    return serving.serve(run, health, form)
