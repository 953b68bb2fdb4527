"""All four notifiers keep the contract of notifiers."""

from __future__ import annotations

import base64
import html
from typing import Any, ClassVar

import pytest
from mail_server import PASSWORD, USER, MailServer
from pydantic import BaseModel
from web_server import Answer, WebServer, cut, hang, reply

import tidemill_notify
from tidemill.spi import NotifierType
from tidemill.testing import Delivery, Mood, NotifierConformance, Receiver

TOKEN = "T0KEN/B0XES/xyzzy"  # noqa: S105
KEY = base64.b64encode(b"32 bytes of a key: do not tell!!").decode()


class WebReceiver(Receiver):
    """A server of the web for what is posted to it."""

    kind: ClassVar[str]
    answers: ClassVar[dict[Mood, Answer]] = {
        Mood.TAKES: reply(200),
        Mood.BUSY: reply(503, TOKEN.encode()),
        Mood.REFUSES: reply(404, TOKEN.encode(), Location=f"https://evil.test/{TOKEN}"),
        Mood.CUTS: cut(b"HTTP/1.1 2"),
        Mood.HANGS: hang,
    }

    def __init__(self, authority: Any) -> None:
        super().__init__()
        self.ca = str(authority.file)
        self.server = WebServer(authority.server())
        self.secrets = (TOKEN, "xyzzy")

    async def __aenter__(self) -> Receiver:
        await self.server.listen()
        await self.become(Mood.TAKES)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.__aexit__()

    async def become(self, mood: Mood) -> None:
        if mood is Mood.GONE:
            self.server.leave()
            return
        answer = self.answers[mood]

        async def answering(reader: Any, writer: Any) -> None:
            if mood is Mood.TAKES:
                self.deliveries.append(self.delivery())
            await answer(reader, writer)

        self.server.answer = answering
        await self.server.listen()

    def delivery(self) -> Delivery:
        raise NotImplementedError

    def connections(self) -> int:
        return len(self.server.open)

    def made(self, **values: object) -> BaseModel:
        return kinds()[self.kind].settings.model_validate(values)


class SlackReceiver(WebReceiver):
    kind = "slack"

    def settings(self, text: str) -> BaseModel:
        return self.made(url=self.server.url(f"/services/{TOKEN}"), message=text, ca=self.ca)

    def delivery(self) -> Delivery:
        request = self.server.requests[-1]
        return Delivery(request.json["text"], request.headers["idempotency-key"])


class WebhookReceiver(WebReceiver):
    kind = "webhook"

    def __init__(self, authority: Any) -> None:
        super().__init__(authority)
        self.secrets = (*self.secrets, KEY, "Bearer")

    def settings(self, text: str) -> BaseModel:
        return self.made(
            url=self.server.url(f"/?token={TOKEN}"),
            message=text,
            secret=f"whsec_{KEY}",
            secret_headers={"Authorization": f"Bearer {TOKEN}"},
            ca=self.ca,
        )

    def delivery(self) -> Delivery:
        request = self.server.requests[-1]
        assert request.headers["webhook-id"] == request.headers["idempotency-key"]
        return Delivery(request.json["data"]["message"], request.headers["webhook-id"])


class AppriseReceiver(WebReceiver):
    """Behind apprise's own `jsons://`, which has no place for an id."""

    kind = "apprise"
    has_ids = False
    tells_refusals = False

    def settings(self, text: str) -> BaseModel:
        address = self.server.url(f"/{TOKEN}?cto=5&rto=3").replace("https", "jsons", 1)
        return self.made(urls=[address], message=text)

    def delivery(self) -> Delivery:
        return Delivery(html.unescape(self.server.requests[-1].json["message"]))


class MailReceiver(Receiver):
    """Refusals repeat the password, as no server should."""

    answers: ClassVar[dict[Mood, dict[str, str]]] = {
        Mood.TAKES: {},
        Mood.BUSY: {"RCPT": f"451 try later, {PASSWORD}"},
        Mood.REFUSES: {"DATA": f"554 no spam, {USER}:{PASSWORD}"},
        Mood.CUTS: {"DATA": "cut"},
        Mood.HANGS: {"DATA": "hang"},
    }

    def __init__(self, authority: Any) -> None:
        super().__init__()
        self.ca = str(authority.file)
        self.server = MailServer(authority.server())
        login = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        self.secrets = (PASSWORD, login)

    async def __aenter__(self) -> Receiver:
        await self.server.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.__aexit__()

    @property  # type: ignore[override]
    def deliveries(self) -> list[Delivery]:
        return [Delivery(mail.get_content(), mail["Message-ID"]) for _, mail in self.server.mails]

    @deliveries.setter
    def deliveries(self, _: list[Delivery]) -> None:
        """They are the server's mails."""

    def settings(self, text: str) -> BaseModel:
        return kinds()["email"].settings.model_validate(
            {
                "host": "localhost",
                "port": self.server.port,
                "user": USER,
                "password": PASSWORD,
                "ca": self.ca,
                "sender": "Tidemill <ci@example.com>",
                "to": ["ops@example.com"],
                "message": text,
            }
        )

    async def become(self, mood: Mood) -> None:
        if mood is Mood.GONE:
            self.server.leave()
            return
        self.server.answers = self.answers[mood]
        await self.server.listen()

    def connections(self) -> int:
        return len(self.server.open)


def kinds() -> dict[str, NotifierType]:
    return {each.kind: each for each in tidemill_notify.tidemill_notifiers()}


class Shipped(NotifierConformance):
    kind: ClassVar[str]
    made: ClassVar[type[Any]]

    @pytest.fixture(autouse=True)
    def trusted(self, authority: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.authority = authority
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))  # what apprise heeds

    def notifier_type(self) -> NotifierType:
        return kinds()[self.kind]

    def receiver(self) -> Receiver:
        return self.made(self.authority)


class TestSlack(Shipped):
    kind = "slack"
    made = SlackReceiver


class TestEmail(Shipped):
    kind = "email"
    made = MailReceiver


class TestWebhook(Shipped):
    kind = "webhook"
    made = WebhookReceiver


class TestApprise(Shipped):
    kind = "apprise"
    made = AppriseReceiver
