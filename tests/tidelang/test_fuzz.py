"""Whatever is read, the compiler answers: no traceback, no hang, every mistake with a known
code and a place in the file, and every renderer can show it.

Bounded here; CONTRIBUTING.md says how to let it look for hours.
"""

from __future__ import annotations

import os
import random
import re
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang import codes
from tidelang.codec import digest
from tidelang.compiler import Compilation, NoPlugins, compile_source
from tidelang.diagnostics import Diagnostic
from tidelang.formatting import format_source
from tidelang.limits import MISTAKES
from tidelang.reading import SourceError, decoded
from tidelang.render import github, gitlab, json, sarif, terminal
from tidelang.source import Source

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("FUZZ", "150"))
SLOW = 5.0
"""Seconds for a text of a few kilobytes; a hundred times what it takes."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

WORDS = re.findall(
    r"\w+",
    """pipeline p step a b task t param x let y output import as for in if else and or not true
    false null needs run when env defaults retry timeout schedule trigger notify approve cache
    executor local secret string int list file duration""",
)
SIGNS = re.findall(
    r"\S+",
    """{ } ( ) [ ] = : , . .. | < > <= == != + - * / % ; {{ }} && || // /* # ! ' \\ $ ` @ ~ ?""",
)
LITERALS = [
    '"s"', '"a {{ x }} b"', '"{{"', '"""', 'r"""', '"""\n  x {{ y }}\n"""', 'r"\\d"', '"', "1",
    "1.5", "1_000", "1h30m", "5min", "512MiB", "99999999999999999999", "1..2", '"@daily"', "'x'",
    '"0 2 * * *"', "$HOME", "é", "\u200b", "\x00", "# note", "\t", "\r\n", "\ufeff",
]  # fmt: skip
SCRIPTS = ['"echo $(cat <<E\n{{ x }}\nE\n)"', '"case {{ x }} in a) b ;; esac"', '"`{{ x }}`"',
           '"$(( {{ x }} ))"', "\"'{{ x }}' \\\"{{ y }}\\\"\"", '["a", x, *y]']  # fmt: skip

tokens = st.sampled_from([*WORDS, *SIGNS, *LITERALS, *SCRIPTS, "\n", "\n", "\n", " "])
streams = st.lists(tokens, max_size=80).map(" ".join)
texts = st.one_of(st.text(max_size=200), st.text(alphabet='{}"()[]=.,\n \\r#a1', max_size=200))


@cache
def corpus() -> tuple[str, ...]:
    """Files that people would write."""
    files = [*ROOT.glob("examples/**/*.tide"), *ROOT.glob("tests/tidelang/one_mistake/*.tide")]
    found = [path.read_text() for path in sorted(files)]
    for document in sorted((ROOT / "tests" / "spec").glob("*.md")):
        found += re.findall(r"```tide[^\n]*\n(.*?)```", document.read_text(), re.DOTALL)
    return tuple(found)


_PIECE = re.compile(r'\w+|\s+|"""|\{\{|\}\}|.', re.DOTALL)


def mutated(seed: int) -> str:
    """A real file, with a few of its pieces gone, twice there, elsewhere or another's."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    pieces = _PIECE.findall(chance.choice(corpus()))
    others = _PIECE.findall(chance.choice(corpus()))
    for _ in range(chance.choice([1, 1, 2, 3, 8])):
        at, other = chance.randrange(len(pieces) + 1), chance.randrange(len(others))
        kind = chance.randrange(6)
        if kind == 0:
            del pieces[at : at + chance.choice([1, 1, 5, 40])]
        elif kind == 1:
            pieces[at:at] = pieces[at : at + chance.choice([1, 10, 60])]
        elif kind == 2:
            pieces[at:at] = others[other : other + chance.choice([1, 5, 60])]
        elif kind == 3:
            pieces[at:at] = [chance.choice([*SIGNS, *LITERALS, *WORDS])]
        elif kind == 4:
            del pieces[at:]
        else:
            chance.shuffle(pieces[at : at + 6])
    return "".join(pieces)


def assert_answered(text: str) -> Compilation:
    """Compiles it, and looks at all that is said of it."""
    source = Source("fuzz.tide", text)
    begun = time.process_time()
    found = compile_source(source, NoPlugins())
    assert time.process_time() - begun < SLOW + len(text) / 1000
    for told in found.diagnostics:
        assert_told(told, source)
    assert sum(told.code.startswith("T0") for told in found.diagnostics) <= MISTAKES + 1
    for colour, width in ((True, 40), (False, None), (True, 120)):
        assert (
            terminal.render(found.diagnostics, color=colour, width=width) or not found.diagnostics
        )
    for render in (json.render, github.render, gitlab.render):
        render(found.diagnostics)
    sarif.render(found.diagnostics, "0")
    return found


def assert_told(told: Diagnostic, source: Source) -> None:
    assert told.code in set(codes.all_codes())
    assert told.message
    for span in (told.span, *(related.span for related in told.related)):
        assert span.source is source
        assert 0 <= span.start <= span.end <= len(source.text)
    if told.fix is not None and told.fix.span is not None:
        assert told.fix.span.end <= len(source.text)


def assert_laid_out(text: str, found: Compilation) -> None:
    """What has no mistakes is laid out without another meaning."""
    if not found.ok:
        return
    laid_out = format_source(Source("fuzz.tide", text)).text
    if laid_out is None:
        return  # it would pass a limit
    again = compile_source(Source("fuzz.tide", laid_out), NoPlugins())
    assert [digest(each) for each in again.definitions] == [digest(d) for d in found.definitions]
    assert format_source(Source("fuzz.tide", laid_out)).text == laid_out


@fuzzed
@given(texts)
def test_any_text_is_answered(text: str) -> None:
    assert_laid_out(text, assert_answered(text))


@fuzzed
@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_said_to_be_none(data: bytes) -> None:
    try:
        text = decoded("fuzz.tide", data).text
    except SourceError:
        with pytest.raises(UnicodeDecodeError):
            data.decode()
        return
    assert_answered(text)


@fuzzed
@given(streams)
def test_any_stream_of_tokens_is_answered(text: str) -> None:
    assert_laid_out(text, assert_answered(text))
    inside = f"pipeline p {{\n  param x: string\n  step a {{\n{text}\n}}\n}}\n"
    assert_laid_out(inside, assert_answered(inside))


@fuzzed
@given(st.integers(min_value=0, max_value=2**62))
def test_any_change_of_a_real_file_is_answered(seed: int) -> None:
    text = mutated(seed)
    assert_laid_out(text, assert_answered(text))


@pytest.mark.parametrize("place", range(40))
def test_a_file_that_breaks_off_anywhere_is_answered(place: int) -> None:
    files = [text for text in corpus() if len(text) > 300]
    text = files[place * len(files) // 40]
    for part in range(1, 6):
        assert_answered(text[: len(text) * part // 6 + place])
