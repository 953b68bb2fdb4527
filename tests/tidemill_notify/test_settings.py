"""What settings are refused, and that no refusal repeats what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from notices import settings
from pydantic import ValidationError

from tidemill_notify.checks import mail_address

TOKEN = "xyzzy-T0KEN"  # noqa: S105
MAIL: dict[str, Any] = {"host": "mail", "sender": "ci@example.com", "to": ["a@example.com"]}
KEY = "whsec_" + "QUJD" * 8


def refused(kind: str, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(kind, **values)
    text = str(caught.value)
    assert TOKEN not in text
    return text


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no address of the web"),
        (TOKEN, "no address of the web"),
        (f"https:///{TOKEN}", "no address of the web"),
        (f"https://[{TOKEN}/", "no address of the web"),
        (f"https://a.test:{TOKEN}/", "no address of the web"),
        (f"https://a.test/ {TOKEN}", "no address of the web"),
        (f"https://a.test/\r\n{TOKEN}", "no address of the web"),
        (f"ftp://a.test/{TOKEN}", "must start with https:// or http://"),
        (f"file://localhost/{TOKEN}", "must start with https:// or http://"),
    ],
)
def test_an_address_must_be_one_of_the_web(kind: str, url: str, why: str) -> None:
    assert why in refused(kind, url=url)


def test_the_webhook_of_slack_must_be_private() -> None:
    assert "must start with https://" in refused("slack", url=f"http://chat.test/{TOKEN}")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        settings("slack", url=f"http://{host}:8065/hooks/x")
    settings("webhook", url="http://in-the-cluster.test/")


@pytest.mark.parametrize(
    "secret",
    [TOKEN, "", "whsec_", "whsec_QUJD", f"whsec_{TOKEN}!", "QUJD" * 8, "whsec_" + "QUJD" * 22],
)
def test_what_signs_must_be_a_key_of_standard_webhooks(secret: str) -> None:
    text = refused("webhook", url="https://a.test", secret=secret)
    assert 'echo "whsec_$(openssl rand -base64 32)"' in text
    settings("webhook", url="https://a.test", secret=KEY)


@pytest.mark.parametrize("setting", ["headers", "secret_headers"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Webhook-Signature", "v1,x"),
        ("idempotency-key", "1"),
        ("Host", "b.test"),
        ("Transfer-Encoding", "chunked"),
        ("a b", "x"),
        ("", "x"),
        ("X-A", f"{TOKEN}\r\nX-B: c"),
        ("X-A", f"{TOKEN}ü"),
    ],
)
def test_a_header_must_be_sound_and_none_of_ours(setting: str, name: str, value: str) -> None:
    assert "header" in refused("webhook", url="https://a.test", **{setting: {name: value}})


@pytest.mark.parametrize(
    "address",
    ["", "ada", "@example.com", "ada@", "a@b\r\nBcc: c@d", "<a@b> c@d", "a b@c", "a@b,c@d",
     "=?utf-8?q?x=0ABcc:_c@d?= <a@b>"],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["sender", "to"])
def test_an_address_must_be_one_of_mail(setting: str, address: str) -> None:
    value = [address] if setting == "to" else address
    assert "is no mail address" in refused("email", **MAIL | {setting: value})


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@b.test", "", "a@b.test"),
        (" a.b+c@d.test ", "", "a.b+c@d.test"),
        ("<a@b.test>", "", "a@b.test"),
        ("Ada Lovelace <a@b.test>", "Ada Lovelace", "a@b.test"),
        (r'"Lovelace, \"Ada\" @home" <a@b.test>', 'Lovelace, "Ada" @home', "a@b.test"),
        ("jürgen@bücher.test", "", "jürgen@bücher.test"),
    ],
)
def test_an_address_of_mail_may_have_a_name(text: str, name: str, address: str) -> None:
    assert mail_address(text) == (name, address)


def test_a_password_needs_a_user() -> None:
    assert "needs a user" in refused("email", **MAIL, password=TOKEN)


@pytest.mark.parametrize("timeout", [0, -1, 61])
def test_a_time_out_has_bounds(timeout: int) -> None:
    assert "timeout" in refused("email", **MAIL, timeout=timeout)


# --- without the libraries -----------------------------------------------------------------

ALONE = """
import asyncio, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("aiohttp", "aiosmtplib", "apprise"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from notices import kind, make, notice, settings

GIVEN = {
    "slack": {"url": "https://a.test/"},
    "webhook": {"url": "https://a.test/"},
    "email": {"host": "mail", "sender": "a@b.test", "to": ["c@d.test"]},
    "apprise": {"urls": ["json://a.test"]},
}

async def main():
    for name, values in GIVEN.items():
        notifier = make(name)
        try:
            await notifier.send(notice(), settings(name, **values))
        except Exception as error:
            print(name, type(error).__name__, error, error.permanent, sep=" | ")
        await notifier.close()

asyncio.run(main())
"""
LIGHT = """
import sys
import tidemill_notify
tidemill_notify.tidemill_notifiers()
print(*sorted({"aiohttp", "aiosmtplib", "apprise", "asyncio", "ssl"} & set(sys.modules)))
"""


def run(script: str) -> str:
    support = Path(__file__).parents[1] / "support"
    env = os.environ | {"PYTHONPATH": str(support)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    lines = [line.split(" | ") for line in run(ALONE).splitlines()]
    assert [(kind, error, permanent) for kind, error, _, permanent in lines] == [
        (kind, "NotifyError", "False") for kind in ("slack", "webhook", "email", "apprise")
    ]
    for kind, _, text, _ in lines:
        extra = "apprise" if kind == "apprise" else "notify"
        assert text.endswith(f"pip install 'tidemill[{extra}]'")


def test_the_plugin_costs_no_start_up() -> None:
    assert run(LIGHT).split() == []
