"""The layout of programs made at random: the same tree, comments and digest, once and
for all."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tide_programs import Program, bare, grammatical, meaningful

from tidelang.codec import digest
from tidelang.compiler import NoPlugins, compile_source
from tidelang.formatting import format_source
from tidelang.lexing.scan import Scanner
from tidelang.parser import parse
from tidelang.parsing.tables import tables
from tidelang.source import Source

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
randoms = st.one_of(
    st.integers(min_value=0).map(Random),  # many things, quickly
    st.randoms(use_true_random=False),  # few, but what fails gets small
)


def formatted(text: str) -> str:
    result = format_source(Source("random.tide", text))
    assert result.text is not None, result.diagnostics
    return result.text


def skeleton(text: str) -> list[str]:
    """Words and comments in order, without what is layout: white space, line ends, the
    commas and semicolons between things, the insides of strings."""
    out: list[str] = []
    end = 0
    tokens = Scanner(Source("random.tide", text), tables().words, tables().signs).run()
    for token in tokens:
        out += _comment(text[end : token.start])
        end = token.end
        if token.type in ("STRING", "RAW"):
            out.append(token.type)
        elif token.type not in ("NL", "COMMA", "SEMI", "TEXT"):
            out.append(token.text)
    return out + _comment(text[end:])


def _comment(gap: str) -> list[str]:
    return [gap[gap.index("#") :].strip()] if "#" in gap else []


def grammatical_or_deep(random: Random) -> Program:
    """Leaves out those that are deeper than the language allows."""
    program = grammatical(random)
    told = parse(Source("random.tide", program.text)).diagnostics
    assert {each.code for each in told} <= {"T091", "T094"}
    assume(not told)
    return program


@EXAMPLES
@given(randoms)
def test_the_tree_stays_the_same(random: Random) -> None:
    text = grammatical_or_deep(random).text
    before = parse(Source("random.tide", text))
    after = parse(Source("random.tide", formatted(text)))
    assert after.diagnostics == ()
    assert bare(after.file) == bare(before.file)


@EXAMPLES
@given(randoms)
def test_every_comment_stays_between_the_words_it_was_between(random: Random) -> None:
    program = grammatical_or_deep(random)
    result = formatted(program.text)
    assert skeleton(result) == skeleton(program.text)
    assert re.findall(r"#c\d+", result) == [each.split()[0] for each in program.comments]


@EXAMPLES
@given(randoms)
def test_what_is_laid_out_stays_as_it_is(random: Random) -> None:
    result = formatted(grammatical_or_deep(random).text)
    assert formatted(result) == result


@EXAMPLES
@given(randoms)
def test_the_digest_stays_the_same(random: Random) -> None:
    text = meaningful(random).text
    before = compile_source(Source("random.tide", text), NoPlugins())
    after = compile_source(Source("random.tide", formatted(text)), NoPlugins())
    assert before.ok, before.diagnostics
    assert [digest(each) for each in after.definitions] == [
        digest(each) for each in before.definitions
    ]


@EXAMPLES
@given(randoms)
def test_lines_have_no_space_at_their_end_and_blank_ones_come_alone(random: Random) -> None:
    result = formatted(grammatical_or_deep(random).text)
    ends = line_ends(result)
    for end in ends:
        assert result[:end][-1:] not in (" ", "\t", "\r")
    for first, second, third in zip(ends, ends[1:], ends[2:], strict=False):
        assert (second, third) != (first + 1, first + 2)
    assert not result.startswith("\n")
    assert not result.endswith("\n\n")


def line_ends(text: str) -> list[int]:
    """Where lines end outside of strings and their holes."""
    depth, ends = 0, []
    for token in Scanner(Source("random.tide", text), tables().words, tables().signs).run():
        depth += (token.type == "QUOTE") - (token.type == "UNQUOTE")
        if token.type == "NL" and not depth:
            ends.append(token.start)
    return ends


@pytest.mark.parametrize("seed", range(3))
def test_the_generator_reaches_what_it_is_for(seed: int) -> None:
    """Otherwise the tests above would hold for nothing."""
    numbers = range(seed * 1000, seed * 1000 + 60)
    programs = [grammatical(Random(number)) for number in numbers]  # noqa: S311 - no secret
    text = "".join(program.text for program in programs)
    for sign in ['r"""', '"""', "{{", "for", "import", "task", "..", "|", "\r\n", ";", "#c"]:
        assert sign in text, sign
