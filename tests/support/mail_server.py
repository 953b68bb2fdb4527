"""An SMTP server (aiosmtpd) in the test's own loop, that answers as badly as it is told to."""

from __future__ import annotations

import asyncio
import email
import ssl
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "ci", "S3cret-pässword"


class MailServer:
    """`mails` are all that it has taken. `answers` holds, by command, what it says instead of
    taking it: a line, `hang` or `cut`; `refused` does so by recipient."""

    def __init__(self, tls: ssl.SSLContext | None = None, mode: str = "starttls") -> None:
        self.mails: list[tuple[Envelope, EmailMessage]] = []
        self.answers: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.logins: list[str] = []
        self.port = 0
        self.open: set[SMTP] = set()
        self._tls, self._mode = tls, mode
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        if self._server is None:
            direct = self._tls if self._mode == "tls" else None
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Counted(self, self._options()), "127.0.0.1", self.port, ssl=direct
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def _options(self) -> dict[str, Any]:
        upgrade = self._tls if self._mode == "starttls" else None
        return {
            "tls_context": upgrade,
            "require_starttls": upgrade is not None,
            "authenticator": self._login,
            "auth_require_tls": self._mode == "starttls",
            "enable_SMTPUTF8": True,
            "hostname": "mail.test",
        }

    def leave(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        for protocol in list(self.open):
            protocol.transport.abort()

    # --- aiosmtpd's hooks

    def _login(self, _s: SMTP, _: Session, __: Envelope, how: str, data: Any) -> AuthResult:
        self.logins.append(how)
        if isinstance(data, LoginPassword):
            right = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
            return AuthResult(success=right, handled=False)
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if said := await self._said("MAIL", server):
            return said
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _: Session, envelope: Envelope, address: str, __: list[str]
    ) -> str:
        if said := self.refused.get(address) or await self._said("RCPT", server):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        if said := await self._said("DATA", server):
            return said
        text = bytes(envelope.content or b"").replace(b"\r\n", b"\n")
        parsed = email.message_from_bytes(text, policy=default)
        self.mails.append((envelope, parsed))
        return "250 taken"

    async def handle_QUIT(self, server: SMTP, _: Session, __: Envelope) -> str:  # noqa: N802
        return await self._said("QUIT", server) or "221 Bye"

    async def _said(self, command: str, server: SMTP) -> str:
        answer = self.answers.get(command, "")
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "cut":
            server.transport.abort()
        return answer


class _Counted(SMTP):
    def __init__(self, owner: MailServer, options: dict[str, Any]) -> None:
        super().__init__(owner, loop=asyncio.get_running_loop(), **options)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.open.discard(self)
        super().connection_lost(error)
