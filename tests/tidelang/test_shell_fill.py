"""Filling a script with values: what the variables hold, and what cannot be passed."""

from __future__ import annotations

import os
import subprocess

import pytest

from tidelang.definition import Script, Variable
from tidelang.shell import FillError, check_argv, check_environment, fill
from tidelang.shell.fill import STRING_LIMIT, quote
from tidelang.values import Duration, Value


def one(kind: str, value: Value) -> dict[str, str]:
    return fill(Script(("",), (Variable("TIDE_V0", kind, ("lit", None)),)), [value]).env


def test_words_get_a_variable_each_and_stand_side_by_side() -> None:
    script = Script(("make ", 0, " all"), (Variable("TIDE_V0", "words", ("lit", None)),))
    filled = fill(script, [["a b", 2, True]])
    assert filled.text == 'make "$TIDE_V0_0" "$TIDE_V0_1" "$TIDE_V0_2" all'
    assert filled.env == {"TIDE_V0_0": "a b", "TIDE_V0_1": "2", "TIDE_V0_2": "true"}
    assert fill(script, [[]]).text == "make  all"
    assert fill(script, ["alone"]).text == 'make "$TIDE_V0_0" all'


def test_raw_text_is_pasted_and_gets_no_variable() -> None:
    script = Script(("a ", 0, " b"), (Variable("TIDE_V0", "raw", ("lit", None)),))
    assert fill(script, ["$x; y"]).text == "a $x; y b"
    assert fill(script, [["-a", "-b"]]).text == "a -a -b b"
    assert fill(script, ["x"]).env == {}


def test_values_become_text() -> None:
    assert one("value", 1e22) == {"TIDE_V0": "10000000000000000000000"}
    assert one("value", Duration(5_400_000)) == {"TIDE_V0": "1h30m"}
    assert one("value", {"a": [1, None]}) == {"TIDE_V0": '{"a":[1,null]}'}
    assert one("value", None) == {"TIDE_V0": ""}
    assert one("number", -3) == {"TIDE_V0": "-3"}
    assert one("quoted", "it's") == {"TIDE_V0": "'it'\\''s'"}
    assert one("quoted", ["a b", "if"]) == {"TIDE_V0": "'a b' 'if'"}


@pytest.mark.parametrize("value", ["a[$(x)]", "1", True, None, [1], float("nan"), Duration(1)])
def test_what_is_no_number_does_not_get_into_arithmetic(value: Value) -> None:
    with pytest.raises(FillError, match="not a number"):
        one("number", value)


def test_a_list_of_unknown_type_in_quotes_names_join() -> None:
    with pytest.raises(FillError, match="join"):
        one("value", ["a"])


@pytest.mark.parametrize(
    ("value", "words"),
    [("a\0b", "NUL"), ("\ud800", "surrogate"), ("x" * STRING_LIMIT, "131,071")],
)
def test_what_the_system_cannot_pass_names_the_hole_and_the_way_out(value: str, words: str) -> None:
    with pytest.raises(FillError, match=words) as caught:
        one("value", value)
    assert "the 1st {{ … }} of the script" in str(caught.value)
    assert "file" in str(caught.value)


def test_the_limit_of_one_variable_is_the_system_s_own() -> None:
    fits = {"X": "x" * (STRING_LIMIT - 2)}
    check_environment(fits)
    subprocess.run(["/bin/true"], env=fits, check=True)
    over = {"X": fits["X"] + "x"}
    with pytest.raises(FillError):
        check_environment(over)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env=over, check=True)


def test_the_limit_of_all_together_is_found_before_the_system_does() -> None:
    values = {f"X{at}": "x" * 100_000 for at in range(15)}
    check_environment(values)
    subprocess.run(["/bin/true"], env=values, check=True)
    with pytest.raises(FillError, match="come to"):
        check_environment({f"X{at}": "x" * 100_000 for at in range(30)})


def test_arguments_are_checked_alike() -> None:
    check_argv(["a", "\udcff", "x" * 100_000])
    for bad in ("a\0", "x" * (STRING_LIMIT + 1), "\ud800"):
        with pytest.raises(FillError, match="argument 1"):
            check_argv(["prog", bad])


def test_a_script_too_long_for_an_argument_is_told_unless_it_is_a_file() -> None:
    text = "echo\n" * 40_000
    with pytest.raises(FillError, match="the script has"):
        fill(Script((text,)), [])
    assert fill(Script((text,), in_file=True), []).text == text


def test_bytes_that_are_not_utf_8_pass() -> None:
    env = one("value", "\udcff")
    out = subprocess.run(
        ["sh", "-c", 'printf %s "$TIDE_V0"'], env=env, capture_output=True, check=True
    )
    assert out.stdout == b"\xff" == os.fsencode("\udcff")


@pytest.mark.parametrize("text", ["", "'", "a=b", "$(x)", "\n", "''\\''"])
def test_quoted_text_is_one_word_of_a_shell(text: str) -> None:
    out = subprocess.run(
        ["sh", "-c", f"printf '<%s>' {quote(text)}"], capture_output=True, check=True, text=True
    )
    assert out.stdout == f"<{text}>"
