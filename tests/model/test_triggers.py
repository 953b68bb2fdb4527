"""Payloads and keys: what anybody may send, read so that every database can hold it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang.definition import Definition, Trigger
from tidemill.model.triggers import MAX_EVENT, MAX_KEY, PayloadError, identities, key_of, payload


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 99999999999999999999}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a": "' + b"x" * MAX_EVENT + b'"}',
    ],
)
def test_what_no_event_can_have_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(PayloadError, match=r"^it |^.{1,9} is no JSON$"):
        payload(data)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.text(max_size=5), _JSON, max_size=4))
def test_all_other_json_comes_as_it_is(value: dict[str, object]) -> None:
    assert payload(json.dumps(value).encode()) == value


@given(st.text(st.characters(), max_size=300))
def test_a_key_is_text_that_every_database_can_hold(text: str) -> None:
    key = key_of(text)
    assert len(key) <= MAX_KEY
    assert key.isprintable()
    assert key.encode().decode() == key, "no half of a surrogate pair"


def test_what_a_trigger_hears_makes_it_the_same_and_how_it_waits_does_not() -> None:
    def of(*triggers: Trigger) -> list[str]:
        return identities(Definition("p", triggers=triggers))

    first, slow = Trigger("event", "a"), Trigger("event", "a", debounce=5)
    assert of(first) == of(slow)
    assert of(first) != of(Trigger("event", "a", key=("lit", 1)))
    assert len(set(of(first, slow))) == 2, "the same twice are two"
