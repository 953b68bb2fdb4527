"""What posts over the web (`slack`, `webhook`) meets there, and makes of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Callable
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from notices import failure, make, notice, settings
from pydantic import BaseModel
from web_server import Answer, WebServer, cut, flood, hang, reply, say

from tidemill.spi import Notifier, NotifyError

TOKEN = "T0KEN-B0XES-xyzzy"  # noqa: S105
SECRETS = (TOKEN, "hunter2", "localhost", "127.0.0.1", "xyzzy")
"""Even the host's name: some services give everybody one of their own."""


@pytest.fixture(params=["slack", "webhook"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def notifier(kind: str) -> AsyncIterator[Notifier]:
    made = make(kind)
    yield made
    await made.close()


@pytest.fixture
def values(kind: str, authority: Any) -> Callable[..., BaseModel]:
    def for_server(server: WebServer, **more: object) -> BaseModel:
        url = server.url(f"/{TOKEN}").replace("://", "://user:hunter2@")
        given = {"url": url, "ca": str(authority.file), "message": "hello", **more}
        return settings(kind, **given)

    return for_server


Values = Callable[..., BaseModel]


async def fails(notifier: Notifier, values: BaseModel, log: Any) -> NotifyError:
    with log.at_level(logging.DEBUG):
        return await failure(notifier, values, SECRETS, log.text)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    notifier: Notifier, values: Values, web: WebServer, status: int, caplog: Any
) -> None:
    web.answer = reply(status, Location=web.url(f"/elsewhere/{TOKEN}"))
    error = await fails(notifier, values(web), caplog)
    assert error.permanent
    assert f"has moved (HTTP {status}): give its new address" in str(error)
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
async def test_a_refusal_is_permanent(
    notifier: Notifier, values: Values, web: WebServer, status: int, caplog: Any
) -> None:
    web.answer = reply(status, TOKEN.encode())
    error = await fails(notifier, values(web), caplog)
    assert error.permanent
    assert f"refused the message (HTTP {status})" in str(error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_trouble_of_the_receivers_own_may_pass(
    notifier: Notifier, values: Values, web: WebServer, status: int, caplog: Any
) -> None:
    web.answer = reply(status, TOKEN.encode())
    error = await fails(notifier, values(web), caplog)
    assert not error.permanent
    assert error.retry_after is None
    assert f"failed (HTTP {status})" in str(error)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), (" 30 ", 30.0), ("0", 0.0), ("999999999", 86400.0), ("-1", None), ("soon", None),
     ("1e3", None), ("", None), ("9" * 400, None), ("Wed, 99 Foo 2026", None)],
)  # fmt: skip
async def test_a_receiver_says_how_long_it_wants_to_be_left_alone(
    notifier: Notifier, values: Values, web: WebServer, text: str, seconds: float | None
) -> None:
    web.answer = reply(429, Retry_After=text)
    assert (await failure(notifier, values(web), SECRETS)).retry_after == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(100, 90, 101), (-100, 0, 0)])
async def test_it_may_say_so_by_a_date(
    notifier: Notifier, values: Values, web: WebServer, ahead: int, least: float, most: float
) -> None:
    at = dt.datetime.fromtimestamp(time.time() + ahead, dt.UTC)
    web.answer = reply(503, Retry_After=format_datetime(at, usegmt=True))
    wait = (await failure(notifier, values(web), SECRETS)).retry_after
    assert wait is not None
    assert least <= wait <= most


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
BROKEN: dict[str, tuple[Answer, str]] = {
    "reset before the answer": (cut(), "broke the connection off"),
    "reset in its first line": (cut(b"HTTP/1.1 20"), "broke the connection off"),
    "reset in its head": (cut(HEAD), "broke the connection off"),
    "no answer": (hang, "did not answer within 0.3 s"),
    "half a head": (say(HEAD), "did not answer within 0.3 s"),
    "no HTTP": (say(b"220 mail.test ESMTP\r\n\r\n"), "broke the connection off"),
    "an endless head": (flood(b"HTTP/1.1 200 OK\r\nA: "), "broke the connection off"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_an_answer_that_does_not_come_may_come_later(
    notifier: Notifier, values: Values, web: WebServer, case: str, caplog: Any
) -> None:
    web.answer, words = BROKEN[case]
    error = await fails(notifier, values(web, timeout=0.3), caplog)
    assert not error.permanent
    assert str(error).endswith(words)


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_a_body_without_end_is_not_read(
    notifier: Notifier, values: Values, web: WebServer, status: int
) -> None:
    web.answer = flood(b"HTTP/1.1 %d So\r\n\r\n" % status)
    if status == 200:
        await notifier.send(notice(), values(web))
    else:
        assert f"HTTP {status}" in str(await failure(notifier, values(web), SECRETS))


async def test_a_body_that_never_comes_does_not_undo_a_success(
    notifier: Notifier, values: Values, web: WebServer
) -> None:
    web.answer = say(HEAD + b"\r\n")
    await notifier.send(notice(), values(web, timeout=5))


async def test_nobody_there_may_be_there_later(
    notifier: Notifier, values: Values, web: WebServer, caplog: Any
) -> None:
    web.leave()
    error = await fails(notifier, values(web), caplog)
    assert not error.permanent
    assert str(error).endswith("refused the connection")


async def test_a_name_that_is_not_known_may_be_known_later(
    notifier: Notifier, kind: str, caplog: Any
) -> None:
    error = await fails(notifier, settings(kind, url=f"https://{TOKEN}.invalid/"), caplog)
    assert not error.permanent
    assert str(error).endswith("cannot be found: its name has no address")


# --- certificates --------------------------------------------------------------------------


async def certificate_error(
    notifier: Notifier, values: Values, log: Any, tls: Any, **more: object
) -> str:
    async with WebServer(tls) as server:
        error = await fails(notifier, values(server, **more), log)
        assert not server.requests
        assert not error.permanent  # somebody will renew it
        return str(error)


async def test_a_certificate_of_another_name_is_refused(
    notifier: Notifier, values: Values, authority: Any, caplog: Any
) -> None:
    tls = authority.server("other.test")
    text = await certificate_error(notifier, values, caplog, tls)
    assert text.endswith("cannot be trusted: its certificate is for another name")


async def test_an_expired_certificate_is_refused(
    notifier: Notifier, values: Values, authority: Any, caplog: Any
) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    tls = authority.server(not_after=past)
    text = await certificate_error(notifier, values, caplog, tls)
    assert text.endswith("cannot be trusted: its certificate has expired")


async def test_a_certificate_that_nobody_trusts_is_refused(
    notifier: Notifier, values: Values, authority: Any, caplog: Any
) -> None:
    text = await certificate_error(notifier, values, caplog, authority.server(), ca=None)
    assert text.endswith("cannot be trusted: its certificate is signed by nobody who is trusted")


async def test_the_systems_certificates_are_the_default(
    notifier: Notifier,
    values: Values,
    web: WebServer,
    authority: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # what OpenSSL takes for them
    await notifier.send(notice(), values(web, ca=None))
    assert len(web.requests) == 1


async def test_a_receiver_without_tls_is_refused(
    notifier: Notifier, values: Values, web: WebServer, caplog: Any
) -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    plain = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"https://localhost:{plain.sockets[0].getsockname()[1]}/{TOKEN}"
    error = await fails(notifier, values(web, url=url), caplog)
    plain.close()
    assert not error.permanent
    assert str(error).endswith("does not speak TLS as it should")


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_file_of_certificates_must_be_one(
    notifier: Notifier, values: Values, web: WebServer, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    text = str(await failure(notifier, values(web, ca=str(file)), SECRETS))
    why = "holds no certificates" if content else "cannot be read: No such file or directory"
    assert text == f"the file of `ca`, {file}, {why}"


# --- what is sent along --------------------------------------------------------------------


async def test_a_login_in_the_address_is_used(
    notifier: Notifier, values: Values, web: WebServer
) -> None:
    await notifier.send(notice(), values(web))
    assert web.requests[0].headers["authorization"] == "Basic dXNlcjpodW50ZXIy"
    assert web.requests[0].target == f"/{TOKEN}"


async def test_no_cookie_and_no_password_of_the_user_is_sent(
    notifier: Notifier,
    values: Values,
    web: WebServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    web.answer = reply(200, Set_Cookie="a=b")
    for _ in range(2):
        await notifier.send(notice(), values(web, url=web.url("/")))
    assert [set(each.headers) & {"cookie", "authorization"} for each in web.requests] == [set()] * 2


async def test_the_proxy_of_the_environment_is_used(
    notifier: Notifier, values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with WebServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await notifier.send(notice(), values(proxy, url="http://127.0.0.1:9/x", ca=None))
        assert proxy.requests[0].target == "http://127.0.0.1:9/x"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await failure(notifier, values(proxy, url="http://127.0.0.1:9/x", ca=None), ("9/x",))
