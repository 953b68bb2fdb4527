"""Mail: who gets it, how it is kept private, and what a server may answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from mail_server import PASSWORD, USER, MailServer
from notices import failure, make, notice, settings
from pydantic import BaseModel, ValidationError

from tidemill.spi import Notifier
from tidemill_notify.mail import message_id

SECRETS = (PASSWORD, "S3cret")
WRONG = {"password": "not-this-one"}
ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"


@pytest_asyncio.fixture
async def server(authority: Any) -> AsyncIterator[MailServer]:
    async with MailServer(authority.server()) as made:
        yield made


@pytest_asyncio.fixture
async def notifier() -> AsyncIterator[Notifier]:
    made = make("email")
    yield made
    await made.close()


Values = Callable[..., BaseModel]


@pytest.fixture
def values(authority: Any) -> Values:
    def for_server(server: MailServer, **more: object) -> BaseModel:
        given = {
            "host": "localhost",
            "port": server.port,
            "user": USER,
            "password": PASSWORD,
            "ca": str(authority.file),
            "sender": "Tidemill <ci@example.com>",
            "to": [ADA],
            "subject": "it failed",
            "message": "sorry",
            "timeout": 5,
        }
        return settings("email", **(given | more))

    return for_server


# --- the mail ------------------------------------------------------------------------------


async def test_what_a_mail_holds(notifier: Notifier, values: Values, server: MailServer) -> None:
    told = notice()
    await notifier.send(told, values(server, to=[f'"Lovelace, Ada" <{ADA}>', BOB]))
    ((envelope, mail),) = server.mails
    assert envelope.mail_from == "ci@example.com"
    assert envelope.rcpt_tos == [ADA, BOB]
    assert mail["From"] == "Tidemill <ci@example.com>"
    assert mail["To"] == f'"Lovelace, Ada" <{ADA}>, {BOB}'
    assert mail["Subject"] == "it failed"
    assert mail["Message-ID"] == f"<{told.id}.tidemill@example.com>"
    assert mail["Date"].datetime == dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "sorry\n"


async def test_it_may_have_html_beside_the_text(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    await notifier.send(notice(), values(server, html="<p>größer &amp; <b>bold</b></p>"))
    mail = server.mails[0][1]
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content() == "sorry\n"
    assert (html.get_content_type(), html.get_content().strip()) == (
        "text/html",
        "<p>größer &amp; <b>bold</b></p>",
    )


@pytest.mark.parametrize(
    "subject",
    [
        "it failed\r\nBcc: mallory@example.com",
        "it failed\nBcc: mallory@example.com\n\nbody",
        "it failed\u2028Bcc: mallory@example.com",
        "it\0 failed \x0b\x85 Bcc: mallory@example.com",
        "=?utf-8?q?it=0ABcc:?= " + "é" * 2000,
    ],
)
async def test_a_subject_adds_no_headers(
    notifier: Notifier, values: Values, server: MailServer, subject: str
) -> None:
    await notifier.send(notice(), values(server, subject=subject))
    envelope, mail = server.mails[0]
    assert envelope.rcpt_tos == [ADA]
    assert "bcc" not in {name.lower() for name in mail}
    assert mail["Subject"]
    assert mail.get_content() == "sorry\n"


async def test_letters_of_any_alphabet_stand_in_subject_and_names(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    name = "Jürgen 漢字"
    await notifier.send(notice(), values(server, sender=f"{name} <ci@example.com>", subject="Öl"))
    mail = server.mails[0][1]
    assert (mail["From"], mail["Subject"]) == (f"{name} <ci@example.com>", "Öl")


async def test_addresses_may_have_them_where_the_server_takes_it(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    await notifier.send(notice(), values(server, to=["jürgen@example.com"]))
    assert server.mails[0][0].rcpt_tos == ["jürgen@example.com"]


@pytest.mark.parametrize("id", ["a\r\nBcc: x@example.com", "ü", "a b", "a@b", ".", "<>", ""])
def test_an_id_that_no_header_can_hold_is_hashed(id: str) -> None:  # noqa: A002
    made = message_id(id, ADA)
    assert made == message_id(id, ADA) != message_id(id + "x", ADA)
    assert made.isascii()
    assert made.isprintable()
    assert made.count("@") == 1
    assert " " not in made


# --- privacy -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_it_logs_in_over_tls(
    notifier: Notifier, values: Values, authority: Any, mode: str
) -> None:
    async with MailServer(authority.server(), mode) as server:
        await notifier.send(notice(), values(server, tls=mode))
        assert len(server.mails) == len(server.logins) == 1


async def test_it_may_do_without_tls_and_login(notifier: Notifier, values: Values) -> None:
    async with MailServer(mode="none") as server:
        plain = values(server, tls="none", user=None, password=None, ca=None)
        await notifier.send(notice(), plain)
        assert len(server.mails) == 1
        assert not server.logins


async def test_a_password_may_go_to_this_machine_without_tls(
    notifier: Notifier, values: Values
) -> None:
    async with MailServer(mode="none") as server:
        await notifier.send(notice(), values(server, tls="none"))
        assert len(server.logins) == 1


async def test_a_server_that_offers_no_tls_gets_nothing(notifier: Notifier, values: Values) -> None:
    """As somebody on the way may make it look."""
    async with MailServer(mode="none") as server:
        error = await failure(notifier, values(server), SECRETS)
        assert str(error) == "the mail server localhost offers no STARTTLS"
        assert not error.permanent
        assert not server.logins
        assert not server.mails


@pytest.mark.parametrize("mode", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("names", "options", "ca", "why"),
    [
        (["other.test"], {}, True, "is for another name"),
        ([], {"not_after": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, True, "has expired"),
        ([], {}, False, "is signed by nobody who is trusted"),
    ],
)
async def test_a_wrong_certificate_gets_nothing(
    notifier: Notifier,
    values: Values,
    authority: Any,
    mode: str,
    names: list[str],
    options: dict[str, Any],
    ca: bool,
    why: str,
) -> None:
    async with MailServer(authority.server(*names, **options), mode) as server:
        given = values(server, tls=mode, **({} if ca else {"ca": None}))
        error = await failure(notifier, given, SECRETS)
        assert str(error).endswith(f"cannot be trusted: its certificate {why}")
        assert not error.permanent
        assert not server.logins


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.1", "localhost.example.com"])
def test_no_password_goes_anywhere_without_tls(host: str) -> None:
    with pytest.raises(ValidationError, match="could read the password"):
        settings("email", host=host, user=USER, password=PASSWORD, tls="none", sender=ADA, to=[BOB])


# --- what a server answers -----------------------------------------------------------------


async def test_a_refused_login_is_permanent(
    notifier: Notifier, values: Values, server: MailServer, caplog: Any
) -> None:
    with caplog.at_level(logging.DEBUG):
        error = await failure(
            notifier, values(server, **WRONG), ("not-this-one", "bm90LXRoaXMtb25l"), caplog.text
        )
    assert error.permanent
    assert str(error) == "the mail server localhost refused the login of ci (535)"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("code", "permanent"), [(421, False), (452, False), (550, True)])
async def test_a_servers_code_says_whether_it_may_pass(
    notifier: Notifier,
    values: Values,
    server: MailServer,
    command: str,
    code: int,
    permanent: bool,
) -> None:
    server.answers[command] = f"{code} because {PASSWORD} of you"
    error = await failure(notifier, values(server), SECRETS)
    assert f"{code} because *** of you" in str(error)
    assert error.permanent is permanent
    assert not server.mails


async def test_a_long_answer_is_cut(notifier: Notifier, values: Values, server: MailServer) -> None:
    server.answers["DATA"] = "550 " + "no " * 150
    text = str(await failure(notifier, values(server), SECRETS))
    assert len(text) < 400
    assert text.endswith("…")


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("how", "words"), [("hang", "did not answer within 0.5 s"), ("cut", "broke the connection off")]
)
async def test_a_server_that_does_not_answer_may_do_so_later(
    notifier: Notifier, values: Values, server: MailServer, command: str, how: str, words: str
) -> None:
    server.answers[command] = how
    error = await failure(notifier, values(server, timeout=0.5), SECRETS)
    assert str(error) == f"the mail server localhost {words}"
    assert not error.permanent


@pytest.mark.parametrize("how", ["cut", "hang", "421 too late"])
async def test_once_it_is_taken_a_missing_goodbye_is_no_failure(
    notifier: Notifier, values: Values, server: MailServer, how: str
) -> None:
    server.answers["QUIT"] = how
    await notifier.send(notice(), values(server, timeout=1))
    assert len(server.mails) == 1


@pytest.mark.parametrize("said", [b"", b"220 ", b"554 go away\r\n", b"421 busy\r\n", b"x" * 9999])
async def test_one_that_is_no_mail_server_is_a_failure(
    notifier: Notifier, values: Values, server: MailServer, said: bytes
) -> None:
    other = await asyncio.start_server(lambda _, writer: writer.write(said), "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    error = await failure(notifier, values(server, port=port, timeout=0.5), SECRETS)
    other.close()
    assert str(error).startswith("the mail server localhost ")
    assert error.permanent is said.startswith(b"5")


async def test_an_unknown_host_may_be_known_later(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    error = await failure(notifier, values(server, host="mail.invalid"), SECRETS)
    assert not error.permanent
    assert "cannot be found" in str(error)


# --- some of several -----------------------------------------------------------------------


async def test_refused_recipients_are_named_and_the_others_get_it(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    server.refused = {BOB: "550 no such user", CYD: "551 moved"}
    error = await failure(notifier, values(server, to=[ADA, BOB, CYD]), SECRETS)
    assert error.permanent
    assert str(error) == (
        f"the mail server localhost refused {BOB} (550 no such user); {CYD} (551 moved); "
        "the others have got it"
    )
    assert [envelope.rcpt_tos for envelope, _ in server.mails] == [[ADA]]


async def test_those_who_have_it_are_not_told_again(
    notifier: Notifier, values: Values, server: MailServer
) -> None:
    told, given = notice(), values(server, to=[ADA, BOB, CYD])
    server.refused = {BOB: "450 greylisted", CYD: "550 no such user"}
    with pytest.raises(Exception, match="the others have got it") as caught:
        await notifier.send(told, given)
    assert not caught.value.permanent  # type: ignore[attr-defined]
    server.refused = {}
    await notifier.send(told, given)
    assert [envelope.rcpt_tos for envelope, _ in server.mails] == [[ADA], [BOB, CYD]]
    await notifier.send(told, given)  # it is the core's to decide that it is told again
    assert server.mails[-1][0].rcpt_tos == [ADA, BOB, CYD]
