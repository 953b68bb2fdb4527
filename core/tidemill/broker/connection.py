"""A connection to NATS, by what people configure, and its errors in words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from tidemill.errors import UsageError
from tidemill.ports import UnavailableError

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.2
"""Between two tries to connect again."""

PING_SECONDS = 5
"""A connection that is silent is asked so often whether it lives; two questions without an
answer end it."""


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """Where NATS is, and how to get in. `url` may name several servers, with commas.
    `credentials` is a .creds file, `nkey` a file with a seed; `ca`, `certificate` and
    `key` are PEM files."""

    url: str
    credentials: Path | None = None
    nkey: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None

    @property
    def servers(self) -> list[str]:
        return [server.strip() for server in self.url.split(",") if server.strip()]

    def shown(self) -> str:
        """The servers without what is secret about them."""
        return ", ".join(_without_secrets(server) for server in self.servers)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def connect(
    access: NatsAccess,
    name: str,
    *,
    inbox: str = "_INBOX",
    brief: bool = False,
    reconnected: Callable[[], Awaitable[None]] | None = None,
) -> Client:
    """Connects, and from then on reconnects for ever (not for a `brief` errand).
    `reconnected` is called after each.

    Raises:
        UsageError: the access makes no sense.
        UnavailableError: nobody is there, or they do not let us in.
    """
    options = _options(access)
    problems: list[str] = []

    async def said(error: Exception) -> None:
        problems.append(str(error) or type(error).__name__)
        log.warning("NATS: %s", problems[-1])

    async def again() -> None:
        log.info("NATS: connected again")
        if reconnected is not None:
            await reconnected()

    client = Client()
    try:
        await client.connect(
            access.servers,
            name=name,
            inbox_prefix=inbox,
            error_cb=said,
            reconnected_cb=again,
            allow_reconnect=False,
            connect_timeout=3,
            **options,
        )
        if brief:
            return client
        await client.close()
        client = await nats.connect(
            access.servers,
            name=name,
            inbox_prefix=inbox,
            error_cb=said,
            reconnected_cb=again,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            pending_size=8 << 20,
            **options,
        )
    except (NatsError, OSError, ValueError) as error:
        why = problems[-1] if problems else str(error) or type(error).__name__
        raise UnavailableError(
            f"NATS at {access.shown()} cannot be reached: {why}", "is it up, and the URL right?"
        ) from None
    return client


def _options(access: NatsAccess) -> dict[str, Any]:
    """How to get in, as the client takes it.

    Raises:
        UsageError: a file is not there, or not what it should be.
    """
    options: dict[str, Any] = {}
    try:
        if access.ca or access.certificate:
            options["tls"] = _tls(access)
        if access.credentials:
            options["user_credentials"] = str(access.credentials.resolve(strict=True))
        if access.nkey:
            options["nkeys_seed"] = str(access.nkey.resolve(strict=True))
    except (OSError, ssl.SSLError) as error:
        what = getattr(error, "filename", None) or access.ca or access.certificate
        raise UsageError(f"access to NATS: {what}: {error.strerror or error}") from None
    if access.token:
        options["token"] = access.token
    return options


def _tls(access: NatsAccess) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=access.ca)
    if access.certificate:
        context.load_cert_chain(access.certificate, access.key)
    return context
