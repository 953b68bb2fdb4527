"""`POST /webhooks/NAME`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tidemill.app.webhooks import RefusedError, Webhooks
from tidemill.errors import TidemillError
from tidemill.model.triggers import PayloadError

log = logging.getLogger("tidemill")

MAX_BODY = 1 << 20
"""Bytes of a request's body."""

BODY_SECONDS = 20.0
"""How long a sender may take to send it."""


def routes(webhooks: Webhooks, stored: Callable[[], None]) -> list[Route]:
    """`stored` is called once a request has been stored that is new."""

    async def receive(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            body = await _body(request)
        except (TimeoutError, ClientDisconnect):
            return _said(408, "slow")
        if body is None:
            return _said(413, "too large")
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            new = await webhooks.receive(name, headers, body)
        except RefusedError as error:
            _log(request, name, str(error))
            return _said(401, "refused")
        except PayloadError as error:
            _log(request, name, str(error))
            return _said(400, "no JSON")
        except TidemillError as error:
            log.error("webhook %.100r: %s", name, error.message)
            return _said(503, "later")
        if new:
            stored()
        return _said(202, "stored") if new else _said(200, "known")

    return [Route("/webhooks/{name}", receive, methods=["POST"])]


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too large. No more than that is ever read."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > MAX_BODY:
        return None
    read = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        async for chunk in request.stream():
            read += chunk
            if len(read) > MAX_BODY:
                return None
    return bytes(read)


def _log(request: Request, name: str, why: str) -> None:
    where = request.client.host if request.client else "somebody"
    log.warning("webhook %.100r: a request of %s was refused: %s", name, where, why)


def _said(status: int, word: str) -> Response:
    return PlainTextResponse(f"{word}\n", status)
