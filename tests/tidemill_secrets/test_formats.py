"""What a file of secrets may look like, and what is refused rather than guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secret_places import dotenv

from tidemill_secrets.formats import FormatError, read_dotenv, read_json

VALUE = "hunter2-correct-horse"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("\n  \n# only a comment", {}),
        ("A=1\nB = 2\r\n  export C=3", {"A": "1", "B": "2", "C": "3"}),
        ("A=", {"A": ""}),
        ("A=''", {"A": ""}),
        ("A = a b  c  ", {"A": "a b  c"}),
        ("A=a=b#c", {"A": "a=b#c"}),
        ("A=$HOME", {"A": "$HOME"}),
        ("A=it's", {"A": "it's"}),
        (r"A='\n$x'  # why", {"A": r"\n$x"}),
        ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
        (r'A="\"\\\n\t\$x"', {"A": '"\\\n\t$x'}),
        ('A="two\nlines" # why\nB=1', {"A": "two\nlines", "B": "1"}),
        ("deploy/key.pem=x", {"deploy/key.pem": "x"}),
    ],
)
def test_dotenv_is_read(text: str, found: dict[str, str]) -> None:
    assert read_dotenv(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"A=1\n{VALUE}", "line 2 is not of the form NAME = value"),
        (f"\n\n={VALUE}", "line 3 is not"),
        (f'A="{VALUE}', "line 1: the quotes"),
        (f"A=1\nB='{VALUE}' {VALUE}", "line 2: the quotes"),
        (f"A={VALUE} #1", "line 1: put the value in quotes"),
        (f"A=1\nA={VALUE}", "line 2: A stands there twice"),
    ],
)
def test_dotenv_that_means_nothing_or_two_things_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_dotenv(text)
    assert said in str(caught.value)
    assert VALUE not in str(caught.value)


NAMES = st.from_regex(r"[A-Za-z0-9_./-]{1,20}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)


@given(st.dictionaries(NAMES.filter(lambda name: name != "export"), VALUES, max_size=5))
def test_any_text_can_be_written_in_double_quotes(values: dict[str, str]) -> None:
    assert read_dotenv(dotenv(values)) == values


@given(st.text(max_size=60))
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        read_dotenv(text)
    except FormatError as error:
        assert str(error).startswith("line ")  # noqa: PT017  it may come or not


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{{"A": "{VALUE}"', "it is no JSON"),
        (f'{{"A": {VALUE}}}', "it is no JSON"),
        (f'["{VALUE}"]', "it is no JSON object"),
        (f'{{"A": "1", "A": "{VALUE}"}}', "A stands there twice"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_json_that_is_no_object_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_json(text)
    assert str(caught.value) == said
