"""What the long-lived commands share: their log, and their options."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tidemill.cli import exits
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidemill.app.health import Health

F = TypeVar("F", bound=Callable[..., Any])

_RESOURCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOO_MUCH = 2.0**53
"""What a database's numbers hold exactly."""

LOG = click.option(
    "--log",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log on stderr is written.",
)
HEALTH = click.option(
    "--health", metavar="HOST:PORT", help="Answer /livez and /readyz there, over HTTP."
)
LEASE = click.option(
    "--lease",
    type=click.FloatRange(min=1, max=3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a worker that is not heard is believed. The same for the whole fleet.",
)
REGION_WAIT = click.option(
    "--region-wait",
    type=click.FloatRange(min=0, max=86_400),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a step waits for a region before it may go to the next one it names.",
)
POSTGRES = click.option("--postgres", metavar="URL", help="The fleet's PostgreSQL.")
NATS = click.option("--nats", metavar="URL", help="The fleet's NATS; several with commas.")
ARTIFACTS = click.option(
    "--artifacts",
    metavar="URL",
    show_default="the fleet's NATS; on one machine, the project",
    help="Where files pass from step to step: s3://BUCKET/PREFIX, nats:, a folder.",
)
KEEP_AGE = click.option(
    "--keep-age", metavar="DURATION", help="How long runs are kept: 90d.  [default: for ever]"
)
KEEP_RUNS = click.option(
    "--keep-runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many of each pipeline are kept.  [default: all]",
)


def worker_options(command: F) -> F:
    """The options that say who a worker is."""
    for option in (
        click.option("--slots", type=click.IntRange(1, 10_000), metavar="N",
                     show_default="one for each processor", help="Steps at a time."),
        click.option("--pool", default="default", show_default=True, metavar="NAME",
                     help="Whose work to take."),
        click.option("--label", "labels", multiple=True, metavar="NAME=VALUE",
                     help="What this worker is. Repeatable."),
        click.option("--region", default="", metavar="NAME", help="Where this worker is."),
        click.option("--resources", multiple=True, metavar="NAME=AMOUNT,…",
                     show_default="cpu and memory of this machine",
                     help="What steps may take up here: cpu=8,memory=32GiB,gpu=2."),
        click.option("--name", default="", metavar="NAME", show_default="host and process",
                     help="What it is called: no two may be called the same."),
        ARTIFACTS,
    ):  # fmt: skip
        command = option(command)
    return command


def labels_of(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--label {text!r}", "write it as NAME=VALUE")
        found[name] = value
    return found


def resources_of(given: tuple[str, ...]) -> dict[str, float]:
    """`cpu=8,memory=32GiB`, also in several."""
    found = {}
    for text in filter(None, ",".join(given).split(",")):
        name, equals, amount = text.strip().partition("=")
        if not equals or not _RESOURCE.fullmatch(name):
            raise UsageError(f"--resources {text.strip()!r}", "write it as NAME=AMOUNT")
        found[name] = _amount(name, amount)
    return found


def _amount(name: str, text: str) -> float:
    from tidelang.values import parse_size

    try:
        amount = float(parse_size(text)) if name in {"memory", "disk"} else float(text)
    except ValueError:
        amount = -1
    if not 0 <= amount < _TOO_MUCH:
        example = "512MiB" if name in {"memory", "disk"} else "2"
        raise UsageError(f"--resources {name}={text}", f"an amount is written as {example}")
    return amount


def serve(
    run: Callable[[Health], Coroutine[Any, Any, None]], address: str | None, form: str
) -> int:
    """Runs it to its end, with a log and, if asked for, answers about its health."""
    import asyncio

    from tidemill.app.health import Health

    _log(form)

    async def main() -> None:
        health = Health()
        server = None if address is None else health.serve(address)
        try:
            await run(health)
        finally:
            if server is not None:
                server.shutdown()

    asyncio.run(main())
    return exits.OK


def _log(form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # the store says what it means
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # the broker says what it means


class _TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self.converter = time.gmtime
        self.default_time_format = "%Y-%m-%dT%H:%M:%S"
        self.default_msec_format = "%s.%03dZ"


class _JsonLines(_TextLines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
