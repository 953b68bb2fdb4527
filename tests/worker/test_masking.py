"""Values are hidden however the output comes in pieces, and nothing else is."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from itertools import pairwise
from random import Random
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.model.masking import MASK as MASKED
from tidemill.model.masking import Mask, MaskedStream
from tidemill.worker.pump import MAX_LINE, MAX_OUTPUT, OutputPump

VALUE = "correct-horse"
MASK = Mask({"S": VALUE})
MASK_LONG = Mask({"S": "correct-horse-battery"})


def streamed(mask: Mask, pieces: list[bytes]) -> bytes:
    stream = MaskedStream(mask)
    return b"".join([*map(stream.feed, pieces), stream.close()])


def pumped(mask: Mask, *pieces: bytes) -> str:
    texts: list[str] = []
    pump = OutputPump(texts.append)
    pump.hide(mask)
    for piece in pieces:
        pump.write(piece)
    pump.close()
    return "".join(texts)


def hidden(mask: Mask, data: bytes) -> bytes:
    return b"".join(mask.pieces(data, mask.found(data)))


WORDS = st.text("ab\n", min_size=4, max_size=7)


@settings(max_examples=1_000, deadline=None)
@given(
    st.dictionaries(st.sampled_from("XYZ"), WORDS, min_size=1),
    st.text("abc\n", max_size=40),
    st.lists(st.integers(0, 40)),
)
def test_pieces_make_no_difference(values: dict[str, str], text: str, cuts: list[int]) -> None:
    mask, data = Mask(values), text.encode()
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(at)]
    assert streamed(mask, pieces) == hidden(mask, data)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from("XYZ"), WORDS, min_size=1), st.text("abc\n", max_size=40))
def test_all_of_every_value_goes_and_all_else_stays(values: dict[str, str], text: str) -> None:
    mask, data = Mask(values), text.encode()
    covered = {at for start, end in mask.found(data) for at in range(start, end)}
    wanted = {
        at
        for value in values.values()
        for start in range(len(text))
        if text.startswith(value, start)
        for at in range(start, start + len(value))
    }
    assert wanted <= covered
    assert not mask.names_in(hidden(mask, data).replace(b"*", b"\0"))


@pytest.mark.parametrize("size", [1, 2, 5, 13, 1_000])
def test_output_is_masked_in_pieces_of_any_size(size: int) -> None:
    data = f"a {VALUE} b\n{VALUE}{VALUE}\ncorrect-hors\n".encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert pumped(MASK, *pieces) == "a *** b\n******\ncorrect-hors\n"


def test_a_value_across_the_pieces_of_a_long_line_is_masked() -> None:
    line = b"x" * (MAX_LINE - 5) + VALUE.encode() + b"y" * MAX_LINE
    assert VALUE[:6] not in pumped(MASK, line, b"\n")


def test_a_value_where_the_output_is_cut_off_is_masked() -> None:
    flood = b"x" * (MAX_OUTPUT - 5) + VALUE.encode() + b"y" * 100
    text = pumped(MASK, flood)
    assert VALUE[:2] not in text[MAX_OUTPUT - 10 :]
    assert "the rest is left out" in text


def test_what_cannot_become_a_value_is_not_held_back() -> None:
    texts: list[str] = []
    pump = OutputPump(texts.append)
    pump.hide(MASK)
    pump.write(b"ready\n")
    assert texts == ["ready\n"]


@pytest.mark.parametrize(
    ("value", "text", "masked"),
    [
        ("two\nlines", "one: two, other: lines", "one: two, other: ***"),
        ("first-line\nsecond-line\n", "a first-line b\nsecond-line", "a *** b\n***"),
        ("  padded-value \n", "padded-value", "***"),
        ('say "hi"\nthere', json.dumps({"v": 'say "hi"\nthere'}), '{"v": "***"}'),
        ("grüße-alle", json.dumps("grüße-alle"), '"***"'),
        ("grüße-alle", "grüße-alle", "***"),
        ("abc", "abc abc", "abc abc"),
        ("abcd", "abcd abc", "*** abc"),
        ("", "anything", "anything"),
        (
            "-----BEGIN KEY-----\nMIIEvQ\n-----END KEY-----",
            "-----BEGIN KEY-----\nother\nMIIEvQ",
            "-----BEGIN KEY-----\nother\n***",
        ),
        ("bytes-\udcff-here", "bytes-\udcff-here", "***"),
    ],
)
def test_the_value_its_lines_and_their_json_are_masked(value: str, text: str, masked: str) -> None:
    assert Mask({"S": value}).text(text) == masked


SECRET = "pa/ss wörd+&'1?"  # noqa: S105
LONG = "".join(chr(33 + at * 7 % 90) for at in range(200))


@pytest.mark.parametrize(
    "text",
    [
        f"https://example.org/?token={quote(SECRET, safe='')}&x=1",
        f"https://example.org/{quote(SECRET)}/x",
        f"q={quote_plus(SECRET)}",
        "q="
        + quote_plus(SECRET)
        .replace("%2F", "%2f")
        .replace("%C3%B6", "%c3%b6")
        .replace("%2B", "%2b")
        .replace("%26", "%26")
        .replace("%3F", "%3f"),
        f"+ echo '{SECRET.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'",
    ],
)
def test_a_value_in_a_url_or_quoted_by_a_shell_is_masked(text: str) -> None:
    masked = Mask({"S": SECRET}).text(text)
    assert MASKED.decode() in masked
    assert not {"ss", "rd", "%2B", "%2b"} & set(re.findall(r"ss|rd|%2[Bb]", masked))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=20), st.binary(min_size=8, max_size=40), st.binary(max_size=20))
@pytest.mark.parametrize("encode", [base64.standard_b64encode, base64.urlsafe_b64encode])
def test_a_value_within_what_is_encoded_in_base64_is_masked(
    encode: Callable[[bytes], bytes], before: bytes, value: bytes, after: bytes
) -> None:
    """All but the characters in which it shares bits with what stands beside it."""
    text = encode(before + value + after).decode()
    mask = Mask({"S": value.decode("utf-8", "surrogateescape")})
    if value.strip() != value or b"\r" in value or value.startswith(b"-----"):
        return  # then its parts count, too
    (start, end), *_ = [
        place for place in mask.found(text.encode()) if place[0] <= -(-8 * len(before) // 6)
        and place[1] >= 8 * (len(before) + len(value)) // 6
    ]  # fmt: skip
    assert end - start <= len(text)


@pytest.mark.parametrize("width", [76, 64, 20])
@pytest.mark.parametrize("before", ["", "user:", '{"key": "'])
def test_a_long_value_that_is_encoded_in_lines_is_masked(width: int, before: str) -> None:
    """By `base64 -w`, `openssl` and the like; alone or within something longer."""
    encoded = base64.b64encode(f"{before}{LONG}".encode()).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    masked = Mask({"S": LONG}).text("\n".join(lines))
    left = masked.replace("***", "").replace("\n", "")
    assert len(left) <= len(base64.b64encode(before.encode())) + 5
    assert masked.startswith(encoded[: len(before)])


def test_the_lines_of_a_flood_of_output_are_not_looked_through() -> None:
    pump = OutputPump([].append)
    pump.hide(MASK)
    pump.write(b"x" * (MAX_OUTPUT + 1))
    began = time.process_time()
    for _ in range(10_000):
        pump.write(b"c" * 65_536)
    assert time.process_time() - began < 0.5


# --- what something has broken into lines ------------------------------------------------

BREAKS = ["\n", "\r\n", "\n    ", "\r", "\n\n\t"]
LONG_WORDS = st.text("ab", min_size=12, max_size=16)


@st.composite
def wrapped(draw: st.DrawFn) -> tuple[dict[str, str], str]:
    """Values, and a text in which they, parts of them and line breaks stand."""
    values = draw(st.dictionaries(st.sampled_from("XYZ"), LONG_WORDS, min_size=1))
    parts = []
    for _ in range(draw(st.integers(0, 5))):
        word = draw(
            st.one_of(st.sampled_from(sorted(values.values())), st.text("abc \n", max_size=4))
        )
        for at in sorted(draw(st.lists(st.integers(0, len(word)), max_size=3)), reverse=True):
            word = word[:at] + draw(st.sampled_from(BREAKS)) + word[at:]
        parts.append(word)
    return values, "".join(parts)


def shown_positions(values: dict[str, str], text: str) -> set[int]:
    """What is to be hidden, found in the plainest way."""
    hide: set[int] = set()
    for value in values.values():
        anywhere = r"((?:[\r\n][ \t\r\n]*)?)".join(map(re.escape, value))
        for start in range(len(text)):
            if match := re.compile(anywhere).match(text, start):
                ends = [match.end(n) for n in range(1, len(value)) if match[n]]
                first = ends[0] if ends and not _far(match) else start
                hide |= set(range(first, match.end()))
    return hide


def _far(match: re.Match[str]) -> bool:
    """Whether enough of the value stands before its first break."""
    return next(n for n in range(1, len(match.groups()) + 1) if match[n]) >= 4


@pytest.mark.parametrize("few", [0, 1_000])
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=wrapped(), cuts=st.lists(st.integers(0, 80)))
def test_a_value_that_is_broken_into_lines_is_hidden_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, few: int, case: tuple[dict[str, str], str], cuts: list[int]
) -> None:
    monkeypatch.setattr("tidemill.model.masking.patterns.FEW", few)
    monkeypatch.setattr("tidemill.model.masking.patterns.MANY", few)
    values, text = case
    mask, data = Mask(values), text.encode()
    places = mask.found(data)
    assert {at for start, end in places for at in range(start, end)} == shown_positions(*case)
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(at)]
    assert streamed(mask, pieces) == hidden(mask, data)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 12, 13])
def test_a_value_that_a_program_wraps_is_masked(width: int) -> None:
    value = "correct-horse-battery"
    lines = [value[at : at + width] for at in range(0, len(value), width)]
    masked = pumped(Mask({"S": value}), *(f"{line}\n".encode() for line in lines))
    left = masked.replace("***", "").replace("\n", "")
    assert left == (value[:width] if width < 4 else "")


def test_a_line_that_ends_as_a_value_begins_does_not_wait_for_the_next() -> None:
    texts: list[str] = []
    pump = OutputPump(texts.append)
    pump.hide(Mask({"S": "correct-horse-battery"}))
    pump.write(b"abc\ncor\n")
    assert "".join(texts) == "abc\ncor\n"
    pump.write(b"rect-horse-battery\n")
    assert "".join(texts) == "abc\ncor\n***\n"


def test_a_short_value_is_not_found_in_what_stands_below_each_other() -> None:
    assert Mask({"S": "mainline"}).text("main\nline") == "main\nline"


def test_outputs_that_hold_a_wrapped_value_are_known() -> None:
    assert MASK_LONG.names_in(b"correct-horse-\nbattery") == ["S"]


@pytest.mark.parametrize("few", [0, 1_000])
def test_many_values_are_masked_as_few_are(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("tidemill.model.masking.patterns.FEW", few)
    monkeypatch.setattr("tidemill.model.masking.patterns.MANY", few)
    values = {f"S{number}": f"value-of-{number:04}" for number in range(50)}
    text = " ".join(f"<{value}>" for value in values.values())
    mask = Mask(values)
    assert mask.text(text) == " ".join(["<***>"] * 50)
    assert mask.names_in(text.encode()) == sorted(values)
    pieces = [text.encode()[at : at + 3] for at in range(0, len(text), 3)]
    assert streamed(mask, pieces).decode() == mask.text(text)


def test_a_large_key_costs_no_more_time_than_a_small_one() -> None:
    """A step's output is looked through on the event loop of its worker."""
    random = Random(1)  # noqa: S311  not for secrets
    lines = ["".join(random.choices("abcdefghijklmnop", k=64)) for _ in range(2_000)]
    stream = MaskedStream(Mask({"S": "\n".join(lines)}))
    data = "".join(random.choices("abcdefghijklmnop \n", k=1 << 20)).encode()
    began = time.process_time()
    for at in range(0, len(data), 4_096):
        stream.feed(data[at : at + 4_096])
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("word", ["true", "root", "Production"[:4], "test", "localhost"])
def test_common_words_stay_whatever_is_called_a_secret(word: str) -> None:
    assert Mask({"S": word}).text(f"all of {word} stays") == f"all of {word} stays"


def test_a_value_within_another_hides_both() -> None:
    mask = Mask({"A": "abcd", "B": "bcdefg"})
    assert mask.text("xabcdefgx") == "x***x"
    assert mask.names_in(b"xabcdefgx") == ["A", "B"]
