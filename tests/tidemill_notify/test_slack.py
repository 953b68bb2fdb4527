"""What is posted to Slack, and what Slack says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from notices import failure, make, notice, settings
from web_server import WebServer, reply

from tidemill.spi import Notifier


@pytest_asyncio.fixture
async def notifier() -> AsyncIterator[Notifier]:
    made = make("slack")
    yield made
    await made.close()


@pytest.fixture
def given(web: WebServer, authority: Any) -> dict[str, Any]:
    return {"url": web.url("/services/T/B/x"), "message": "hello", "ca": str(authority.file)}


async def test_the_text_is_all_that_must_be(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    await notifier.send(notice(), settings("slack", **given))
    assert web.requests[0].json == {"text": "hello"}
    assert web.requests[0].headers["content-type"] == "application/json"


async def test_a_channel_and_a_name_may_be_chosen(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    more = {"channel": "#builds", "username": "Tidemill"}
    await notifier.send(notice(), settings("slack", **given, **more))
    assert web.requests[0].json == {"text": "hello", **more}


async def test_what_slack_would_cut_is_cut_with_a_sign(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    await notifier.send(notice(), settings("slack", **given | {"message": "x" * 50_000}))
    text = web.requests[0].json["text"]
    assert len(text) < 40_000
    assert text.endswith("x…")


async def test_slacks_own_words_are_explained(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    web.answer = reply(404, b"no_service\n")
    error = await failure(notifier, settings("slack", **given), ("services",))
    assert str(error) == (
        "Slack refused the message (HTTP 404): there is no such webhook any more: make a new one"
    )
    assert error.permanent


async def test_other_words_are_not_passed_on(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    web.answer = reply(400, b"nothing at /services/T/B/x")
    error = await failure(notifier, settings("slack", **given), ("services",))
    assert str(error) == "Slack refused the message (HTTP 400)"


async def test_slack_may_ask_to_wait(
    notifier: Notifier, given: dict[str, Any], web: WebServer
) -> None:
    web.answer = reply(429, b"rate_limited", Retry_After="17")
    error = await failure(notifier, settings("slack", **given), ("services",))
    assert (error.permanent, error.retry_after) == (False, 17.0)
