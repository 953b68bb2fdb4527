"""What is posted, and that a receiver can verify it as the documentation says."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from notices import kind as type_of
from notices import make, notice, settings
from web_server import Request, WebServer

from tidemill.spi import Notice, Notifier
from tidemill_notify import WebhookSettings

GUIDE = (Path(__file__).parents[2] / "docs/how-to/notify-people.md").read_text()
KEY = "whsec_" + "c2VjcmV0" * 4
OTHER = "whsec_" + "b3RoZXJz" * 4

Verify = Callable[[str, dict[str, str], bytes], bool]
Post = Callable[..., Any]


@pytest.fixture
def verify() -> Verify:
    """The one in the guide."""
    (code,) = re.findall(r"<!-- file: verify.py -->\n```python\n(.*?)```", GUIDE, re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102  it is what a reader would do
    found: Verify = space["verify"]
    return found


@pytest_asyncio.fixture
async def notifier() -> AsyncIterator[Notifier]:
    made = make("webhook")
    yield made
    await made.close()


@pytest.fixture
def post(notifier: Notifier, web: WebServer, authority: Any) -> Post:
    async def posted(told: Notice | None = None, **more: Any) -> Request:
        given = {"url": web.url("/hook"), "ca": str(authority.file), "message": "hello"}
        await notifier.send(told or notice(), settings("webhook", **given | more))
        return web.requests[-1]

    return posted


async def test_a_receiver_can_verify_it(post: Post, verify: Verify) -> None:
    request = await post(secret=KEY, message="ünïcödé 🙂")
    assert verify(KEY, request.headers, request.body)
    assert not verify(OTHER, request.headers, request.body)
    assert not verify(KEY, request.headers, request.body.replace(b"failed", b"passed"))
    for header in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        changed = request.headers | {header: request.headers[header].replace("1", "2") + "3"}
        assert not verify(KEY, changed, request.body), header
    several = request.headers["webhook-signature"] + " v1,x"
    assert verify(KEY, request.headers | {"webhook-signature": several}, request.body)


async def test_what_was_sent_long_ago_is_refused(
    post: Post, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await post(secret=KEY)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 301)
    assert not verify(KEY, request.headers, request.body)


async def test_without_a_key_it_is_not_signed(post: Post) -> None:
    request = await post()
    assert "webhook-signature" not in request.headers
    assert request.headers["webhook-id"].startswith("notice-")


async def test_the_body_is_as_it_is_documented(post: Post) -> None:
    told = replace(notice("deadline_missed", "by 5 minutes"), tries=3)
    request = await post(told)
    assert request.target == "/hook"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "type": "run.deadline_missed",
        "timestamp": "2026-05-04T03:02:01.500Z",
        "data": {
            "run": dict(told.run),
            "step": "test",
            "detail": "by 5 minutes",
            "message": "hello",
        },
    }
    words = {f"`data.{name}`" for name in request.json["data"]} | {"`type`", "`timestamp`"}
    assert words <= set(re.findall(r"(?m)^\| (`[a-z.]+`) \|", GUIDE))


async def test_another_try_is_told_by_its_id_and_has_the_same_body(post: Post) -> None:
    told = notice()
    first = await post(told, secret=KEY)
    second = await post(replace(told, tries=1), secret=KEY)
    assert first.body == second.body
    for header in ("webhook-id", "idempotency-key"):
        assert first.headers[header] == second.headers[header] == told.id


async def test_it_sends_headers_of_the_users(post: Post) -> None:
    request = await post(
        headers={"X-Team": "core"}, secret_headers={"Authorization": "Bearer token"}
    )
    assert request.headers["x-team"] == "core"
    assert request.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize("kind", ["slack", "email", "webhook", "apprise"])
def test_every_setting_is_in_the_guide(kind: str) -> None:
    titles = {
        "slack": "Slack",
        "email": "Mail",
        "webhook": "Webhooks",
        "apprise": "Everything else",
    }
    part = GUIDE.split(f"\n## {titles[kind]}\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \|", part)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(type_of(kind).settings.model_fields) <= named


def test_no_setting_shows_a_secret() -> None:
    values = settings("webhook", url="https://a.test/xyzzy", secret=KEY)
    assert isinstance(values, WebhookSettings)
    assert "xyzzy" not in repr(values)
    assert KEY not in repr(values)
