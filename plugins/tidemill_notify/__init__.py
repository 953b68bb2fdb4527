"""The notifiers: Slack, e-mail, signed webhooks and, by way of apprise, a hundred services.

What all four promise: a failure is a `NotifyError` that says what to do and holds no secret,
also not in what it was raised from; a second delivery can be told by `Notice.id` where the
service has a place for it (`Message-ID`, `webhook-id`, `Idempotency-Key`); certificates are
checked; a send that is cancelled leaves no connection behind.

    slack, webhook ── "http.py" ── aiohttp
    email ────────── "smtp.py" ── aiosmtplib      (`pip install 'tidemill[notify]'`)
    apprise ──────── a thread ─── apprise         (`pip install 'tidemill[apprise]'`)

What does not belong here: when to send again, templates, where secrets come from. All of
that is done before `send` is called.
"""

from __future__ import annotations

from tidemill.spi import Notifier, NotifierType, hookimpl
from tidemill_notify.settings import (
    LONGEST,
    AppriseSettings,
    EmailSettings,
    SlackSettings,
    WebhookSettings,
)

__all__ = [
    "TIDEMILL_SPI",
    "AppriseSettings",
    "EmailSettings",
    "SlackSettings",
    "WebhookSettings",
    "tidemill_notifiers",
]

TIDEMILL_SPI = 1

_PATIENCE = LONGEST.total_seconds() + 5
"""Longer than any time-out that the settings allow, so that a notifier ends by itself."""


def _slack() -> Notifier:
    from tidemill_notify.slack import SlackNotifier  # asyncio, ssl and more: only where used

    return SlackNotifier()


def _email() -> Notifier:
    from tidemill_notify.smtp import EmailNotifier

    return EmailNotifier()


def _webhook() -> Notifier:
    from tidemill_notify.webhook import WebhookNotifier

    return WebhookNotifier()


def _apprise() -> Notifier:
    from tidemill_notify.services import AppriseNotifier

    return AppriseNotifier()


@hookimpl
def tidemill_notifiers() -> list[NotifierType]:
    return [
        NotifierType(
            kind="slack",
            settings=SlackSettings,
            factory=_slack,
            description="Posts to a Slack channel, by an incoming webhook.",
            timeout=_PATIENCE,
        ),
        NotifierType(
            kind="email",
            settings=EmailSettings,
            factory=_email,
            description="Sends mail by an SMTP server.",
            timeout=_PATIENCE,
        ),
        NotifierType(
            kind="webhook",
            settings=WebhookSettings,
            factory=_webhook,
            description="Posts JSON to an address, signed as Standard Webhooks has it.",
            timeout=_PATIENCE,
        ),
        NotifierType(
            kind="apprise",
            settings=AppriseSettings,
            factory=_apprise,
            description="Tells any of the services that the apprise library knows.",
            timeout=_PATIENCE,
        ),
    ]
