"""Reading what a script wrote as its outputs."""

from __future__ import annotations

import pytest

from tidelang.definition import Output, Type
from tidelang.outputs import SIZE_LIMIT, OutputError, parse
from tidelang.values import Value

DIGEST = Output("digest", Type("string"))
COUNT = Output("count", Type("int"))
NAMES = Output("names", Type("list", of=Type("string")))
WHEEL = Output("wheel", Type("file"), glob=("lit", "dist/*.whl"))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("digest=abc\ncount=3\n", {"digest": "abc", "count": 3}),
        ("count=3\ndigest=", {"digest": "", "count": 3}),
        ("digest= a=b \ncount=1\ncount=2\n\n", {"digest": " a=b ", "count": 2}),
        ('{"digest": "x", "count": 1}\ncount=5', {"digest": "x", "count": 5}),
        ('{\n  "digest": "x",\n  "count": 1\n}\n', {"digest": "x", "count": 1}),
        ("digest<<END\na\n\nb=c\nEND\ncount=1", {"digest": "a\n\nb=c", "count": 1}),
        ("digest<<E\nE\ncount=1", {"digest": "", "count": 1}),
        ("digest=a<<b\ncount=1", {"digest": "a<<b", "count": 1}),
        ('count=1\n{"digest": "{}"}', {"digest": "{}", "count": 1}),
        ("digest={not json}\ncount=1", {"digest": "{not json}", "count": 1}),
    ],
)
def test_values_are_read_and_the_later_wins(data: str, values: dict[str, Value]) -> None:
    assert parse(data.encode(), [DIGEST, COUNT, WHEEL]) == values


def test_a_list_is_json_in_each_form() -> None:
    for data in ('names=["a", "b"]', '{"names": ["a", "b"]}', 'names<<E\n["a",\n"b"]\nE'):
        assert parse(data.encode(), [NAMES]) == {"names": ["a", "b"]}


def test_nothing_declared_and_nothing_written_is_fine() -> None:
    assert parse(b"", []) == {}
    assert parse(b"\n", [WHEEL]) == {}


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(OutputError) as caught:
        parse(b"diggest=1\ncount=many\nwheel=x\nwhat is this", [DIGEST, COUNT, NAMES, WHEEL])
    assert caught.value.problems == (
        'line 4 of the outputs: expected name=value or a JSON object, not "what is this"',
        'the script wrote "diggest", which is not declared as an output (did you mean digest?)',
        (
            "output wheel is a file, found by its pattern in the workdir; "
            'the script must not write it to "$TIDE_OUTPUT"'
        ),
        (
            "output digest: the script did not write it; it must write digest=… (a string) "
            'to "$TIDE_OUTPUT"'
        ),
        'output count: expected a whole number, not "many"',
        (
            "output names: the script did not write it; it must write names=… (a list of strings) "
            'to "$TIDE_OUTPUT"'
        ),
    )


def test_types_are_enforced_in_json_too() -> None:
    with pytest.raises(OutputError, match="output digest: expected a string, not 5"):
        parse(b'{"digest": 5}', [DIGEST])


def test_a_long_wrong_value_is_shown_short() -> None:
    with pytest.raises(OutputError) as caught:
        parse(b"count=" + b"x" * 10_000, [COUNT])
    assert len(caught.value.problems[0]) < 100


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a=1\ndigest=\xff", "line 2 of the outputs is not UTF-8"),
        (b"x" * (SIZE_LIMIT + 1), "1,048,577 bytes"),
        (b"digest<<END\nabc", "END never ends digest"),
        (b"[" * 100_000, "expected name=value"),
        (b'{"a":' * 100_000, "expected name=value"),
    ],
)
def test_what_cannot_be_read_is_said_plainly(data: bytes, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        parse(data, [DIGEST])
