"""All that the server answers, put together."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette

from tidemill.app.webhooks import Webhooks
from tidemill.web import webhooks as hooks


def application(webhooks: Webhooks, stored: Callable[[], None]) -> Starlette:
    return Starlette(routes=[*hooks.routes(webhooks, stored)])
