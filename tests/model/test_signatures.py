"""Signatures of webhooks, against what their makers publish and what strangers try."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.model.signatures import Delivery, verified

NOW = 1_674_087_231.0
KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"event_type":"ping","data":{"success":true}}'


def standard(body: bytes = BODY, at: float = NOW, key: str = KEY) -> dict[str, str]:
    raw = base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()
    signed = f"msg_1.{int(at)}.".encode() + body
    digest = base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{digest}",
    }


def test_githubs_own_example_is_verified() -> None:
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={signature}", "x-github-event": "push"}
    found = verified(headers, b"Hello, World!", "It's a Secret to Everybody", NOW)
    assert found is not None
    assert (found.sender, found.type) == ("github", "push")
    assert verified(headers, b"Hello, World?", "It's a Secret to Everybody", NOW) is None
    again = verified(headers | {"x-github-delivery": "other"}, b"Hello, World!",
                     "It's a Secret to Everybody", NOW)  # fmt: skip
    assert again is not None
    assert again.key == found.key, "what is not signed tells no request from another"


def test_a_standard_webhook_covers_its_id_its_time_and_its_body() -> None:
    headers = standard()
    assert verified(headers, BODY, KEY, NOW) == Delivery("standard", "id:msg_1", "", "msg_1")
    assert verified(headers, BODY + b" ", KEY, NOW) is None
    assert verified(headers | {"webhook-id": "msg_2"}, BODY, KEY, NOW) is None
    assert verified(headers | {"webhook-timestamp": str(int(NOW) + 1)}, BODY, KEY, NOW) is None
    two = headers | {"webhook-signature": "v1a,x v1,AAAA " + headers["webhook-signature"]}
    assert verified(two, BODY, KEY, NOW) is not None, "keys are changed with both in use"


@pytest.mark.parametrize(("off", "taken"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_standard_webhook_is_good_for_five_minutes(off: float, taken: bool) -> None:
    assert (verified(standard(at=NOW + off), BODY, KEY, NOW) is not None) is taken


def test_gitlab_signs_in_the_standards_way_or_sends_its_token() -> None:
    signed = standard() | {"x-gitlab-event": "Push Hook", "x-gitlab-token": "wrong"}
    found = verified(signed, BODY, KEY, NOW)
    assert found is not None
    assert (found.sender, found.type) == ("gitlab", "Push Hook")
    headers = {"x-gitlab-token": "s3cret", "idempotency-key": "u-1"}
    assert verified(headers, BODY, "s3cret", NOW) == Delivery("gitlab", "id:u-1", "", "u-1")
    assert verified(headers, BODY, "s3cre", NOW) is None
    umlaut = {"x-gitlab-token": "gü".encode().decode("latin-1")}
    assert verified(umlaut, BODY, "gü", NOW) is not None


def test_a_worse_signature_does_not_stand_in_for_a_better_one() -> None:
    headers = standard(key="other") | {"x-gitlab-token": KEY}
    assert verified(headers, BODY, KEY, NOW) is None


NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256",
         "x-gitlab-token", "idempotency-key"]  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(NAMES), st.text(st.characters(max_codepoint=255), max_size=40)
)


@given(HEADERS, st.binary(max_size=40), st.sampled_from([KEY, "whsec_", "whsec_!", "", "x" * 40]))
def test_whatever_a_stranger_sends_is_refused_and_raises_nothing(
    headers: dict[str, str], body: bytes, secret: str
) -> None:
    assert verified(headers, body, secret, NOW) is None
