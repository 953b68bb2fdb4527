"""Whether a request to a webhook was signed by who knows the secret: pure functions.

Three ways are known, told apart by their headers:

- `webhook-signature`: Standard Webhooks, and GitLab's signing tokens. It covers an id, a time
  and the body.
- `X-Hub-Signature-256`: GitHub. It covers the body alone.
- `X-Gitlab-Token`: GitLab's older way, which sends the secret itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

TOLERANCE = 300.0
"""Seconds by which the time of a signed request may be off."""

MAX_HEADER = 4096
"""Characters of a header that is looked at."""


class Delivery(NamedTuple):
    """A request whose sender knows the secret. `key` tells it from all others: as far as that
    can be, by what is signed. `type` and `id` are what the sender calls the event and the
    delivery, empty where it does not say."""

    sender: str
    key: str
    type: str = ""
    id: str = ""


def verified(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> Delivery | None:
    """The delivery; None where nothing shows that its sender knows the secret. The names of
    `headers` are in lower case, their values as they came (Latin-1)."""
    if not secret or any(len(value) > MAX_HEADER for value in headers.values()):
        return None
    if "webhook-signature" in headers:
        return _standard(headers, body, secret, now)
    if "x-hub-signature-256" in headers:
        return _github(headers, body, secret)
    if "x-gitlab-token" in headers:
        return _gitlab(headers, body, secret)
    return None


def _standard(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> Delivery | None:
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    key = _key(secret)
    if not name or key is None or not _is_close(at, now):
        return None
    signed = b".".join([name.encode("latin-1"), at.encode("latin-1"), body])
    expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = [one.partition(",") for one in headers["webhook-signature"].split(" ")]
    found = [
        hmac.compare_digest(expected, signature.encode("latin-1"))
        for version, _, signature in given
        if version == "v1"
    ]
    if not any(found):
        return None
    event = headers.get("x-gitlab-event", "")
    return Delivery("gitlab" if event else "standard", f"id:{name}", event, name)


def _key(secret: str) -> bytes | None:
    """What is signed with: `whsec_` stands before base64, all else is taken as it is."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _is_close(at: str, now: float) -> bool:
    if not (at.isascii() and at.isdigit() and len(at) < 16):
        return False
    return abs(now - int(at)) <= TOLERANCE


def _github(headers: Mapping[str, str], body: bytes, secret: str) -> Delivery | None:
    expected = "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()
    given = headers["x-hub-signature-256"].encode("latin-1")
    if not hmac.compare_digest(expected.encode(), given):
        return None
    event, name = headers.get("x-github-event", ""), headers.get("x-github-delivery", "")
    return Delivery("github", _body_key(body), event, name)


def _gitlab(headers: Mapping[str, str], body: bytes, secret: str) -> Delivery | None:
    if not hmac.compare_digest(secret.encode(), headers["x-gitlab-token"].encode("latin-1")):
        return None
    name = headers.get("idempotency-key", "")
    key = f"id:{name}" if name else _body_key(body)
    return Delivery("gitlab", key, headers.get("x-gitlab-event", ""), name)


def _body_key(body: bytes) -> str:
    """The id of a delivery is not signed: who has seen a request could send it again under
    another one. Its body is."""
    return "body:" + hashlib.sha256(body).hexdigest()
