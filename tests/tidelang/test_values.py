"""Values as text, as JSON and as declared types."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang.definition import Type
from tidelang.values import (
    Duration,
    Size,
    Value,
    conform,
    describe,
    from_json,
    parse_duration,
    parse_size,
    parse_text,
    to_json,
    to_text,
)

INT, FLOAT, STRING, BOOL = Type("int"), Type("float"), Type("string"), Type("bool")
DURATION, SIZE, ANY, TIME = Type("duration"), Type("size"), Type("any"), Type("time")
TARGET = Type("enum", members=("staging", "production"))

SCALARS = {
    INT: st.integers(),
    FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    STRING: st.text(),
    BOOL: st.booleans(),
    DURATION: st.integers(-(10**15), 10**15).map(Duration),
    SIZE: st.integers(-(10**18), 10**18).map(Size),
    TARGET: st.sampled_from(TARGET.members),
}
TYPED = st.sampled_from(list(SCALARS)).flatmap(
    lambda type_: st.one_of(
        st.tuples(st.just(type_), SCALARS[type_]),
        st.tuples(st.just(Type("list", of=type_)), st.lists(SCALARS[type_], max_size=4)),
        st.tuples(
            st.just(Type("map", of=type_)), st.dictionaries(st.text(), SCALARS[type_], max_size=4)
        ),
    )
)


@given(TYPED)
def test_text_and_json_give_back_the_value_and_its_type(typed: tuple[Type, Value]) -> None:
    type_, value = typed
    for again in (
        parse_text(to_text(value), type_),
        from_json(json.loads(json.dumps(to_json(value))), type_),
        conform(value, type_),
    ):
        assert again == value
        assert type(again) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (1.5, "1.5"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (Duration(0), "0s"),
        (Duration(5_400_000), "1h30m"),
        (Duration(90 * 3_600_000), "3d18h"),
        (Duration(-1_001), "-1s1ms"),
        (Size(512 << 20), "512MiB"),
        (Size(1_000), "1000B"),
        (Size(0), "0B"),
        ("a b", "a b"),
        ([1, "é", Duration(1_000)], '[1,"é","1s"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_a_value_has_one_text(value: Value, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("1h30m", 5_400_000), ("7d", 604_800_000), ("1.5s", 1_500), ("-2m", -120_000)],
)
def test_durations_are_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 << 20), ("10MB", 10**7), ("1.5KiB", 1536), ("7", 7), ("2 GB", 2 * 10**9)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_arithmetic_keeps_units_where_they_make_sense() -> None:
    hour = Duration(3_600_000)
    for kept in (hour + hour, hour - hour, hour * 2, 2 * hour, -hour):
        assert type(kept) is Duration
    for plain in (hour + 1, hour // hour, hour + Size(1), hour * hour):
        assert type(plain) is int
    assert hour / hour == 1.0
    assert hour > Duration(1)


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (INT, "1.5", 'expected a whole number, not "1.5"'),
        (INT, "x", 'expected a whole number, not "x"'),
        (INT, "", 'expected a whole number, not ""'),
        (Type("int", low=1, high=16), "17", "expected a whole number from 1 to 16, not 17"),
        (Type("int", low=1), "0", "expected a whole number of at least 1, not 0"),
        (Type("float", high=1), "2", "expected a number of at most 1, not 2.0"),
        (FLOAT, "nan", 'expected a number, not "nan"'),
        (BOOL, "yes", 'expected true or false, not "yes"'),
        (DURATION, "5", 'expected a duration such as 90s or 1h30m, not "5"'),
        (DURATION, "1h 30m", 'expected a duration such as 90s or 1h30m, not "1h 30m"'),
        (SIZE, "1XB", 'expected a size such as 512MiB or 10MB, not "1XB"'),
        (TIME, "noon", 'expected a time such as 2026-03-01T14:00:00Z, not "noon"'),
        (TARGET, "prod", 'expected "staging" or "production", not "prod"'),
        (Type("list", of=INT), '[1, "x"]', 'item 2: expected a whole number, not "x"'),
        (Type("list", of=STRING), '{"a": 1}', 'expected a list of strings, not {"a": 1}'),
        (Type("map", of=INT), '{"a": true}', '"a": expected a whole number, not true'),
    ],
)
def test_a_wrong_text_is_told_what_was_expected(type_: Type, text: str, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_text(text, type_)
    assert str(caught.value) == message


def test_text_that_is_no_json_says_so_for_a_list_and_is_itself_for_any() -> None:
    with pytest.raises(ValueError, match="expected a list of strings as JSON"):
        parse_text("a,b", Type("list", of=STRING))
    assert parse_text("a,b", ANY) == "a,b"
    assert parse_text("[1]", ANY) == [1]
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_text("[" * 100_000, ANY)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]"])
def test_what_json_does_not_know_does_not_come_in(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        parse_text(text, Type("list", of=ANY))


@pytest.mark.parametrize(
    ("type_", "value", "result"),
    [
        (FLOAT, 1, 1.0),
        (INT, 3.0, 3),
        (DURATION, "1m", Duration(60_000)),
        (SIZE, "1KiB", Size(1024)),
    ],
)
def test_what_fits_is_made_to_fit(type_: Type, value: Value, result: Value) -> None:
    fitted = conform(value, type_)
    assert fitted == result
    assert type(fitted) is type(result)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (INT, "1"),
        (INT, True),
        (STRING, 1),
        (BOOL, 1),
        (DURATION, 5),
        (INT, 1.5),
        (FLOAT, Duration(1)),
        (INT, None),
        (FLOAT, 10**400),
        (TIME, 5),
    ],
)
def test_nothing_is_guessed(type_: Type, value: Value) -> None:
    with pytest.raises(ValueError, match="expected"):
        conform(value, type_)


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (Type("list", of=Type("int", low=0, high=9)), "a list of whole numbers from 0 to 9"),
        (Type("map", of=Type("list", of=STRING)), "a map of lists of strings"),
        (Type("list", of=TARGET), 'a list of strings, each "staging" or "production"'),
        (Type("list"), "a list of values"),
    ],
)
def test_a_type_is_described_in_words(type_: Type, words: str) -> None:
    assert describe(type_) == words
