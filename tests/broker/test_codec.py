"""What is sent is what is received, whatever stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang.definition import Output, Type
from tidelang.values import Secret, SecretName
from tidemill.broker import subjects
from tidemill.broker.codec import NotUnderstoodError, decode, encode
from tidemill.model.messages import (
    CacheReport,
    CacheRule,
    Claimed,
    FileInput,
    Heartbeat,
    Order,
    Result,
    Started,
    StopAttempt,
)
from tidemill.model.rows import TaskRef

REF = TaskRef(3, 4)
TEXTS = st.text(st.characters(codec=None, exclude_categories=()))
ORDER = Order(
    REF, 1, "t[\udc80]", "t", 2, "default", 0, "k", {"text": "a", "interpreter": ("sh", "-e"),
    "in_file": False}, None, {"A": "\udcff\u0000"}, "w", "local", {"n": [1, None, {"x": 1.5}]},
    (FileInput("a/b", "d"),), {"o": "*.txt"},
    (Output("n", Type("int", low=1)), Output("f", Type("list", Type("file")), ("lit", "*"))),
    1.5, {"S": Secret(("a", SecretName("TOKEN")))}, ((("x", 0), Secret((SecretName("T"),))),),
    CacheRule(("*.py",), {"a": [1]}, {"n of a": "d"}, 5.0),
)  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        ORDER,
        Started(REF, 1, "w", 2.5),
        Result(
            REF,
            1,
            "w",
            1.0,
            2.0,
            "exited",
            0,
            outputs={"a": ["\udc80", {"b": None}]},
            cache=CacheReport("k", {"a": "b"}, 3),
        ),
        Heartbeat("w", "p", 3, (Claimed(REF, 1),), "eu", {"a": "b"}, True),
        StopAttempt(REF, 1, 2.0, "w"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_comes_back_equal(message: object) -> None:
    found = decode(type(message), encode(message))
    if isinstance(message, Order):
        assert found.values[0] == message.values[0]
        assert found.secret_env == message.secret_env
        assert found.secret_settings == message.secret_settings
        assert (found.env, found.cache, found.inputs) == (
            message.env,
            message.cache,
            message.inputs,
        )
    else:
        assert found == message


@given(TEXTS)
def test_any_text_passes(text: str) -> None:
    result = Result(REF, 1, "w", 1.0, 2.0, "exited", outputs={"a": text})
    assert decode(Result, encode(result)) == result


@given(st.binary())
def test_bytes_that_are_no_message_are_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        decode(Order, data)


@given(TEXTS)
def test_any_name_is_one_token_of_a_subject_and_comes_back(name: str) -> None:
    token = subjects.token(name)
    assert token
    assert not set(token) & set(".*> \t\r\n")
    if all(not 0xD800 <= ord(c) <= 0xDFFF for c in name):
        assert subjects.untoken(token) == name
    _pool, worker = subjects.sender(subjects.result(name, "w"))
    assert worker == "w"
