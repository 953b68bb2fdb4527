"""`notify email`: mail by an SMTP server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from typing import TYPE_CHECKING

from pydantic import BaseModel

from tidemill.spi import Notice, NotifyError
from tidemill_notify.checks import mail_address
from tidemill_notify.failures import quoted, reason
from tidemill_notify.mail import compose
from tidemill_notify.progress import Progress
from tidemill_notify.settings import EmailSettings
from tidemill_notify.tls import trusting

if TYPE_CHECKING:
    import aiosmtplib

Refused = Mapping[str, tuple[int, str]]
"""By address: what the server said of it."""

_GOODBYE = 2.0
"""So many seconds a server has to answer the goodbye; the mail is its own by then."""


class EmailNotifier:
    """See `tidemill.spi.Notifier`. A connection for each mail."""

    def __init__(self) -> None:
        self._progress = Progress()

    async def send(self, notice: Notice, settings: BaseModel) -> None:
        if not isinstance(settings, EmailSettings):
            raise TypeError("these are not the settings of an email notifier")
        addresses = [mail_address(each)[1] for each in settings.to]
        left = self._progress.left(notice.id, addresses)
        refused = await _deliver(compose(notice, settings), settings, left)
        if refused:
            self._progress.reached(notice.id, set(left) - set(refused))
            raise _not_all(refused, len(addresses), settings)
        self._progress.forget(notice.id)

    async def close(self) -> None:
        """There is nothing to free."""


async def _deliver(mail: EmailMessage, settings: EmailSettings, to: Sequence[str]) -> Refused:
    """Those that the server refused. Raises: NotifyError: nobody gets it."""
    client = await _client(settings)
    import aiosmtplib

    seconds = settings.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            refused = await _hand_over(client, mail, to)
        await _say_goodbye(client)
        return refused
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        problem = _problem(error, settings)
    finally:
        _hang_up(client)
    raise problem


async def _hand_over(client: aiosmtplib.SMTP, mail: EmailMessage, to: Sequence[str]) -> Refused:
    import aiosmtplib

    await client.connect()
    try:
        refused, _ = await client.send_message(mail, recipients=to)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return {each.recipient: (each.code, each.message) for each in error.recipients}
    return {address: (each.code, each.message) for address, each in refused.items()}


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """Whatever comes of it: the server has taken the mail, and sending it again, as after a
    failure, would be wrong."""
    import aiosmtplib

    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_GOODBYE):
            await client.quit()


def _hang_up(client: aiosmtplib.SMTP) -> None:
    """At once. Its own context manager would wait for an answer to the goodbye, also where
    it is cancelled, and its `close` for the other end of the TLS."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


async def _client(settings: EmailSettings) -> aiosmtplib.SMTP:
    try:
        import aiosmtplib
    except ModuleNotFoundError:
        message = "mail is sent by the package aiosmtplib: pip install 'tidemill[notify]'"
        raise NotifyError(message) from None
    return aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        username=settings.user,
        password=_password(settings),
        use_tls=settings.tls == "tls",
        start_tls=settings.tls == "starttls",
        tls_context=await trusting(settings.ca) if settings.tls != "none" else None,
        timeout=settings.timeout.total_seconds(),
    )


def _password(settings: EmailSettings) -> str | None:
    return settings.password.get_secret_value() if settings.password else None


# --- what went wrong -----------------------------------------------------------------------


def _problem(error: Exception, settings: EmailSettings) -> NotifyError:
    import aiosmtplib

    server = f"the mail server {settings.host}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):  # its text may repeat the login
        message = f"{server} refused the login of {settings.user} ({error.code})"
        return NotifyError(message, permanent=error.code >= 500)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        message = f"{server} answered {_said(error.code, error.message, settings)}"
        return NotifyError(message, permanent=error.code >= 500)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        message = f"{server} takes no addresses with other letters than those of ASCII"
        return NotifyError(message, permanent=True)
    if type(error) is aiosmtplib.SMTPException:  # the only one: an extension is missing
        missing = "login" if "AUTH" in str(error) else "STARTTLS"
        return NotifyError(f"{server} offers no {missing}")
    return NotifyError(f"{server} {reason(error, settings.timeout.total_seconds())}")


def _not_all(refused: Refused, of: int, settings: EmailSettings) -> NotifyError:
    """Those who were refused for good are named; they alone are tried again, if at all."""
    names = "; ".join(
        f"{address} ({_said(code, text, settings)})" for address, (code, text) in refused.items()
    )
    others = "" if len(refused) == of else "; the others have got it"
    message = f"the mail server {settings.host} refused {names}{others}"
    return NotifyError(message, permanent=all(code >= 500 for code, _ in refused.values()))


def _said(code: int, text: str, settings: EmailSettings) -> str:
    return f"{code} {quoted(text, _secrets(settings))}".strip()


def _secrets(settings: EmailSettings) -> tuple[str, ...]:
    """The password in the forms in which it goes to the server."""
    password = _password(settings)
    if not password:
        return ()
    forms = (password, f"\0{settings.user}\0{password}")
    return (password, *(base64.b64encode(form.encode()).decode() for form in forms))
