"""`notify slack`: an incoming webhook of Slack, or of what understands those."""

from __future__ import annotations

import json

from pydantic import BaseModel

from tidemill.spi import Notice
from tidemill_notify.http import Answer, Call, HttpClient, refuse
from tidemill_notify.settings import SlackSettings
from tidemill_notify.text import clean, cut

_LONGEST = 39_000
"""Slack cuts what has more than 40 000 characters, without a sign of it."""

_SAYINGS = {
    "action_prohibited": "an admin has restricted this webhook or channel",
    "channel_is_archived": "the channel is archived",
    "channel_not_found": "there is no such channel, or the webhook may not post there",
    "invalid_payload": "it does not understand the message",
    "invalid_token": "the webhook was revoked: make a new one",
    "no_active_hooks": "the webhook is switched off",
    "no_service": "there is no such webhook any more: make a new one",
    "no_service_id": "the address of the webhook is not whole",
    "no_team": "there is no such workspace",
    "no_text": "the message is empty",
    "posting_to_general_channel_denied": "this webhook may not post to the general channel",
    "team_disabled": "the workspace is disabled",
    "user_not_found": "there is no such user",
}
"""https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks; only these words
are passed on, as anything else may repeat the address."""


class SlackNotifier:
    """See `tidemill.spi.Notifier`."""

    def __init__(self) -> None:
        self._http = HttpClient()

    async def send(self, notice: Notice, settings: BaseModel) -> None:
        if not isinstance(settings, SlackSettings):
            raise TypeError("these are not the settings of a slack notifier")
        answer = await self._http.post(_call(notice, settings))
        if not answer.ok:
            refuse("Slack", answer, _saying(answer))

    async def close(self) -> None:
        await self._http.close()


def _call(notice: Notice, settings: SlackSettings) -> Call:
    fields = {
        "text": cut(clean(settings.message), _LONGEST),
        "channel": settings.channel,
        "username": settings.username,
    }
    body = {name: value for name, value in fields.items() if value is not None}
    return Call(
        who="Slack",
        url=settings.url.get_secret_value(),
        body=json.dumps(body, ensure_ascii=False).encode(),
        # Slack has no place for it; relays and other receivers of such webhooks may.
        headers={"Content-Type": "application/json", "Idempotency-Key": notice.id},
        timeout=settings.timeout.total_seconds(),
        ca=settings.ca,
    )


def _saying(answer: Answer) -> str:
    return _SAYINGS.get(answer.text.strip(), "")
