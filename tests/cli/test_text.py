"""What steps print becomes harmless, and stays readable."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.cli.text import clean, plural

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\x1b[]0;12mHJ\x07\\\x9b\x9d\r\b\x7f\u202e\u2066\ud800Pé日"),
        st.characters(),
    )
)
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@given(HOSTILE)
def test_cleaned_text_holds_nothing_that_a_terminal_acts_on(text: str) -> None:
    cleaned = clean(text)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    cleaned.encode("utf-8")


@given(HOSTILE)
def test_with_colour_only_colour_stays_and_is_off_at_the_end(text: str) -> None:
    cleaned = clean(text, colour=True)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", COLOUR.sub("", cleaned))
    if COLOUR.search(cleaned):
        assert cleaned.endswith("\x1b[0m")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("a\ttab stays", "a\ttab stays"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\ on", "link on"),
        ("\x1b]0;a title without an end", ""),
        ("\x1bP1$r0m\x1b\\dcs", "dcs"),
        ("\x9b2Jeight bits", "eight bits"),
        ("\x1bcreset", "reset"),
        ("lost \x1b", "lost "),
        ("\x1b[31mred\x1b[0m", "red"),
        ("ring\x07 back\x08", "ring back"),
        ("right \u202eto left", "right to left"),
        ("10%\r50%\r100%", "100%"),
        ("windows\r", "windows"),
        ("10%\r20%\r", "20%"),
        ("10%\r20%\r\x1b[K\x1b[0m", "20%"),
        ("bad \ud83d half", "bad \ufffd half"),
    ],
)
def test_what_is_shown_of(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_colour_that_a_step_left_on_is_switched_off_at_the_line_s_end() -> None:
    assert clean("\x1b[31mred\x1b[2K line", colour=True) == "\x1b[31mred line\x1b[0m"


def test_a_progress_bar_in_colour_shows_its_last_state() -> None:
    text = "\x1b[31m10%\x1b[0m\r\x1b[32m20%\r\x1b[0m"
    assert clean(text, colour=True) == "\x1b[32m20%\x1b[0m"


def test_a_flood_of_unfinished_sequences_is_cleaned_in_linear_time() -> None:
    for start in ("\x1b[", "\x1b]", "\x1b[1;", "\r", "\x9d"):
        assert len(clean(start * 200_000)) < 800_000


def test_a_noun_has_its_number() -> None:
    assert [plural(n, "task") for n in (0, 1, 2000)] == ["0 tasks", "1 task", "2,000 tasks"]
