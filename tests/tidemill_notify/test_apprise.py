"""Apprise: several addresses, its logs, its threads."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from notices import failure, kind, make, notice, settings
from pydantic import BaseModel
from web_server import WebServer, reply

from tidemill.spi import Notifier, NotifyError

TOKEN = "T0KEN-xyzzy"  # noqa: S105


@pytest_asyncio.fixture
async def notifier() -> AsyncIterator[Notifier]:
    made = make("apprise")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def two() -> AsyncIterator[tuple[WebServer, WebServer]]:
    async with WebServer() as first, WebServer() as second:
        yield first, second


def to(*servers: WebServer, **more: object) -> BaseModel:
    urls = [f"json://127.0.0.1:{each.port}/{TOKEN}" for each in servers]
    return settings("apprise", **{"urls": urls, "title": "it failed", "message": "sorry"} | more)


async def test_every_address_is_told(notifier: Notifier, two: tuple[WebServer, WebServer]) -> None:
    await notifier.send(notice(), to(*two))
    for server in two:
        (request,) = server.requests
        told = {name: request.json[name] for name in ("title", "message", "type")}
        assert told == {"title": "it failed", "message": "sorry", "type": "failure"}


@pytest.mark.parametrize(
    ("event", "type_"),
    [("recovered", "success"), ("approval_needed", "warning"), ("test", "info")],
)
async def test_an_event_has_the_type_that_apprise_has_for_it(
    notifier: Notifier, two: tuple[WebServer, WebServer], event: str, type_: str
) -> None:
    await notifier.send(notice(event), to(two[0]))
    assert two[0].requests[0].json["type"] == type_


async def test_those_who_have_it_are_not_told_again(
    notifier: Notifier, two: tuple[WebServer, WebServer]
) -> None:
    first, second = two
    told = notice()
    second.answer = reply(500)
    with pytest.raises(NotifyError) as caught:
        await notifier.send(told, to(*two))
    assert str(caught.value) == "address 2 of `urls` (JSON) failed"
    second.answer = reply(200)
    await notifier.send(told, to(*two))
    assert (len(first.requests), len(second.requests)) == (1, 2)


@pytest.mark.parametrize(
    "url", [f"nothing://{TOKEN}", TOKEN, "", f"slack://{TOKEN}", "json://", "mailto://"]
)
async def test_an_address_that_apprise_does_not_know_is_refused_for_good(
    notifier: Notifier, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(1):
        given = settings("apprise", urls=[url], message="sorry")
        error = await failure(notifier, given, (TOKEN, "xyzzy"), caplog.text)
    assert str(error) == "address 1 of `urls` is none that apprise understands"
    assert error.permanent


async def test_what_others_log_is_let_through(
    notifier: Notifier, two: tuple[WebServer, WebServer], caplog: pytest.LogCaptureFixture
) -> None:
    """The Docker executor talks by the same libraries, in threads of its own."""
    with caplog.at_level(logging.DEBUG):
        await notifier.send(notice(), to(two[0]))
        logger = logging.getLogger("urllib3.connectionpool")
        thread = threading.Thread(target=logger.debug, args=("of the engine",))
        thread.start()
        thread.join()
    assert [record.message for record in caplog.records if record.name != "asyncio"] == [
        "of the engine"
    ]


HANGING = """
import asyncio, socket, threading
import tidemill_notify
from notices import notice, settings, make

listener = socket.create_server(("127.0.0.1", 0))
address = f"json://127.0.0.1:{listener.getsockname()[1]}/?rto=600"

async def main():
    given = settings("apprise", urls=[address])
    sending = asyncio.ensure_future(make("apprise").send(notice(), given))
    connection, _ = await asyncio.to_thread(listener.accept)
    sending.cancel()
    try:
        await sending
    except asyncio.CancelledError:
        print("cancelled")
    return connection  # which is open until the end

connection = asyncio.run(main())
"""


def test_a_call_that_hangs_does_not_hold_the_process_up(pytestconfig: pytest.Config) -> None:
    support = pytestconfig.rootpath / "tests/support"
    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        env={"PYTHONPATH": str(support)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "cancelled\n"


def test_its_settings_need_an_address() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        kind("apprise").settings.model_validate({"urls": []})
