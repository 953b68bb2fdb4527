"""A connection to NATS that lasts, and its errors in words."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from tidemill.broker.access import NatsAccess
from tidemill.errors import TidemillError
from tidemill.ports import UnavailableError

__all__ = ["NatsAccess", "connect"]

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3
RECONNECT_SECONDS = 0.2
"""Between two tries to connect again."""

PING_SECONDS = 5
"""A connection that is silent is asked so often whether it lives; two questions without an
answer end it."""

_REFUSED = ("authorization violation", "authentication", "permissions violation for connect")


class NotEncryptedError(NatsError):
    """The server would have us speak in the clear."""

    def __str__(self) -> str:
        return "it offers no TLS"


class Connection(Client):
    """The library's client, but for three things. It says nothing in the clear where TLS is
    wanted, though a server, or who stands before it, may ask for that. And it takes no
    error for the end: a user whose time is over may be given more. And it can be closed while
    it is trying to connect again.
    """

    def __init__(self, *, encrypted: bool) -> None:
        super().__init__()
        self._encrypted = encrypted
        self.wants_certificate = False
        """Whether the server asks for ours; without a good one it only hangs up."""

    async def give_up(self) -> None:
        """Ends what has not become a connection. `close` would wait for ever for the end of a
        socket on which TLS was begun in vain."""
        if self._reading_task is not None:
            await self.close()
        elif self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Also where the connection is lost already: then there is nobody to tell."""
        try:
            await super().close()
        except OSError:
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._encrypted and not info.get("tls_required"):
            if not info.get("tls_available"):
                raise NotEncryptedError
            info["tls_required"] = True
        self.wants_certificate = bool(info.get("tls_verify"))
        await super()._process_info(info, initial_connection)

    async def _process_err(self, err_msg: str) -> None:
        if "permissions violation" in err_msg.lower() or not self.is_connected:
            await super()._process_err(err_msg)
            return
        error = NatsError(err_msg.strip("'"))
        if self._error_cb is not None:
            await self._error_cb(error)
        await self._process_op_err(error)


class _Spoken:
    """What went wrong: kept while connecting, then logged, the same not over and over."""

    def __init__(self) -> None:
        self.last: Exception | None = None
        self.aloud = False

    async def heard(self, error: Exception) -> None:
        if self.aloud and (self.last is None or words(error) != words(self.last)):
            log.warning("NATS: %s", words(error))
        self.last = error


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
        UnavailableError: nobody is there.
        TidemillError: they do not let us in, or we do not trust them.
    """
    options, spoken = access.options(), _Spoken()

    async def again() -> None:
        log.info("NATS: connected again")
        spoken.last = None
        if reconnected is not None:
            await reconnected()

    client = Connection(encrypted=access.encrypted)
    try:
        await client.connect(
            name=name,
            inbox_prefix=inbox,
            error_cb=spoken.heard,
            reconnected_cb=again,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            pending_size=8 << 20,
            **options,
        )
        if not client.is_connected:
            raise spoken.last or ConnectionResetError("it hung up")
    except (NatsError, OSError, ValueError) as error:
        await client.give_up()
        raise _failure(access, client, _cause(error, spoken.last)) from None
    if not brief:
        client.options |= {
            "allow_reconnect": True,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RECONNECT_SECONDS,
        }
    spoken.last, spoken.aloud = None, True
    return client


def _cause(error: Exception, before: Exception | None) -> Exception:
    """That no server is left says nothing: why was the last one not to be had?"""
    return before if before and isinstance(error, NoServersError) else error


def _failure(access: NatsAccess, client: Connection, error: Exception) -> TidemillError:
    where, why = f"NATS at {access.shown()}", words(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return TidemillError(
            f"{where} shows a certificate that is not good: {why}",
            "nats_ca is the file of who signed it; it must name the host of the URL",
        )
    if client.wants_certificate and isinstance(error, ssl.SSLError | ConnectionError):
        ours = f"does not take {access.certificate}" if access.certificate else "wants to see one"
        return TidemillError(
            f"{where} asks who we are by certificate, and {ours}",
            "nats_certificate and nats_key are its files",
        )
    if isinstance(error, NotEncryptedError):
        return TidemillError(f"{where} is not to be trusted: {why}", "is it the right server?")
    if any(word in why.lower() for word in _REFUSED):
        over = f": {access.credentials} has expired" if access.expired else ""
        return TidemillError(
            f"{where} does not let us in: {why}{over}",
            "what is set of nats_credentials, nats_nkey, nats_token, and the user in the URL?",
        )
    return UnavailableError(f"{where} cannot be reached: {why}", "is it up, and the URL right?")


def words(error: Exception) -> str:
    """What an error of the connection says, as people say it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.removeprefix("nats: ").strip("'") or type(error).__name__


async def say(client: Client, subject: str, payload: bytes) -> None:
    """Where it cannot be said now, that is logged."""
    try:
        await client.publish(subject, payload)
    except NatsError as error:
        log.warning("NATS: %s", error)


async def settle(client: Client) -> None:
    """Returns when the server knows of all subscriptions made so far: until then it drops
    what others send to them."""
    try:
        await client.flush()
    except (NatsError, OSError) as error:
        log.warning("NATS: %s", error)  # they are made again with the next connection
