"""`notify webhook`: JSON to an address, signed as https://www.standardwebhooks.com has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

from pydantic import BaseModel

from tidemill.spi import Notice
from tidemill_notify.checks import signing_key
from tidemill_notify.http import Call, HttpClient, refuse
from tidemill_notify.settings import WebhookSettings
from tidemill_notify.text import clean

_WHO = "the webhook's receiver"


class WebhookNotifier:
    """See `tidemill.spi.Notifier`."""

    def __init__(self) -> None:
        self._http = HttpClient()

    async def send(self, notice: Notice, settings: BaseModel) -> None:
        if not isinstance(settings, WebhookSettings):
            raise TypeError("these are not the settings of a webhook notifier")
        answer = await self._http.post(_call(notice, settings))
        if not answer.ok:
            refuse(_WHO, answer)

    async def close(self) -> None:
        await self._http.close()


def _call(notice: Notice, settings: WebhookSettings) -> Call:
    body = payload(notice, settings.message)
    secret = {name: value.get_secret_value() for name, value in settings.secret_headers.items()}
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": notice.id,
        **settings.headers,
        **secret,
        **_signed(notice.id, body, settings),
    }
    return Call(
        who=_WHO,
        url=settings.url.get_secret_value(),
        body=body,
        headers=headers,
        timeout=settings.timeout.total_seconds(),
        ca=settings.ca,
    )


def payload(notice: Notice, message: str) -> bytes:
    """The body: the same however often it is sent."""
    at = datetime.fromtimestamp(notice.at, UTC).isoformat(timespec="milliseconds")
    data = {
        "run": notice.run,
        "step": notice.step,
        "detail": clean(notice.detail),
        "message": clean(message),
    }
    body = {"type": f"run.{notice.event}", "timestamp": at.replace("+00:00", "Z"), "data": data}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _signed(message_id: str, body: bytes, settings: WebhookSettings) -> dict[str, str]:
    """The headers of the specification. The time is that of this attempt: receivers refuse
    old ones, against replays."""
    at = str(int(time.time()))
    headers = {"webhook-id": message_id, "webhook-timestamp": at}
    if settings.secret is not None:
        key = signing_key(settings.secret.get_secret_value())
        content = b".".join((message_id.encode(), at.encode(), body))
        digest = hmac.new(key, content, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
