"""What settings must be. Each check raises a `ValueError` that does not repeat the value."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from urllib.parse import urlsplit

SIGNING_PREFIX = "whsec_"

_ADDRESS = r"[^\s@<>(),;:\"\[\]\\]+@[^\s@<>(),;:\"\[\]\\]+"
_MAILBOX = re.compile(
    rf'(?P<bare>{_ADDRESS})|(?P<name>"(?:[^"\\]|\\.)*"|[^"<>@,;:\\]*)\s*<(?P<address>{_ADDRESS})>'
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN = frozenset(
    {
        "connection", "content-encoding", "content-length", "content-type", "expect", "host",
        "idempotency-key", "te", "trailer", "transfer-encoding", "upgrade", "webhook-id",
        "webhook-signature", "webhook-timestamp",
    }
)  # fmt: skip


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def address_of_http(url: str, *, private: bool = False) -> None:
    """With `private`, what is sent there may not be read on the way."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or _CONTROL.search(url) or " " in url:
        raise ValueError("this is no address of the web")
    if parts.scheme not in ("http", "https"):
        raise ValueError("the address must start with https:// or http://")
    if private and parts.scheme == "http" and not is_loopback(host):
        raise ValueError("the address must start with https://: whoever reads it may post, too")


def mail_address(text: str) -> tuple[str, str]:
    """Its display name and the address itself. Stricter than `email.utils`, which finds an
    address in almost anything."""
    found = _MAILBOX.fullmatch(text.strip())
    if found is None or _CONTROL.search(text) or "=?" in text:
        raise ValueError(f"{text!r} is no mail address")
    name = (found["name"] or "").strip()
    if name.startswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, found["bare"] or found["address"]


def header(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in _OWN:
        raise ValueError(f"the header {name} is set by Tidemill itself")
    if _CONTROL.search(value) or not value.isascii():
        raise ValueError(f"the header {name} must be one line of ASCII")


def signing_key(secret: str) -> bytes:
    """The bytes of a `whsec_…` secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SIGNING_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(
            f"it must be {SIGNING_PREFIX} and 24 to 64 random bytes in base64; "
            f'one is made by: echo "{SIGNING_PREFIX}$(openssl rand -base64 32)"'
        )
    return key
