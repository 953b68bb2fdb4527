"""From a source to definitions: meaning, purity, single mistakes, cost of starting."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from tidelang import codec
from tidelang.codec import FormatError
from tidelang.compiler import NoPlugins, compile_source
from tidelang.definition import Definition, Retry, Script
from tidelang.source import Source


def _compile(body: str, head: str = "") -> Definition:
    result = compile_source(Source("t.tide", f"{head}\npipeline p {{\n{body}\n}}\n"), NoPlugins())
    assert result.ok, [(d.code, d.message) for d in result.diagnostics]
    return result.definitions[0]


def _codes(body: str, head: str = "") -> list[str]:
    result = compile_source(Source("t.tide", f"{head}\npipeline p {{\n{body}\n}}\n"), NoPlugins())
    return [d.code for d in result.diagnostics]


_RICH = """
param target: "staging" | "production" = "staging"
let twice = [2 * n for n in range(3)]
defaults { timeout = 10m, env { A = "1", B = "2" }, retry { attempts = 3, on = [timeout] } }
schedule "@daily" { timezone = "Europe/Berlin", params = { target = "production" } }
step build { run = "make {{ target }}", output digest: string, output app: file = "dist/*" }
step test for (n, m) in product(twice, ["x", "y"]) {
  run = ["test", string(n), m, build.digest], env { B = n }, retry { attempts = 2 }
  max_parallel = 2
}
step ship { needs = [test], when = failed(test) or succeeded(build), run = "ship {{ build.app }}" }
"""


def test_needs_come_from_needs_and_from_use_in_file_order() -> None:
    build, test, ship = _compile(_RICH).steps
    assert (build.needs, test.needs, ship.needs) == ((), ("build",), ("build", "test"))


def test_only_a_question_about_a_step_lets_when_decide() -> None:
    steps = _compile(_RICH + 'step last { when = target == "staging", run = "x" }').steps
    assert [step.when_decides for step in steps] == [False, False, True, False]


def test_defaults_are_laid_under_each_step_member_by_member() -> None:
    _, test, _ = _compile(_RICH).steps
    assert test.timeout == 600_000
    assert test.retry == Retry(attempts=2, on=("timed_out",))
    assert dict(test.env) == {"A": ("lit", "1"), "B": ("ref", "loop", "n")}


def test_a_hole_in_a_script_is_a_variable_and_not_text() -> None:
    action = _compile(_RICH).steps[0].action
    assert isinstance(action, Script)
    assert [(v.name, v.kind, v.value) for v in action.variables] == [
        ("TIDE_V0", "value", ("ref", "param", "target"))
    ]
    assert "{{" not in "".join(map(str, action.parts))


def test_only_lets_that_are_used_get_into_a_definition() -> None:
    body = 'step a { run = "echo {{ _c }}" }'
    found = _compile(body, "let _a = 1\nlet _c = _b + 1\nlet _b = 2")
    assert [let.name for let in found.lets] == ["_b", "_c"]


def test_a_definition_survives_its_bytes() -> None:
    definition = _compile(_RICH)
    assert codec.decode(codec.encode(definition)) == definition


@pytest.mark.parametrize(
    "other",
    [
        "\n\n# a comment\n" + _RICH.replace("\n", "  # said\n\n"),
        _RICH.replace('A = "1", B = "2"', 'B = "2", A = "1"'),
        _RICH.replace("needs = [test], when", "when").replace("ship {{", "ship  {{").replace(
            "ship  {{ build.app }}\"", "ship {{ build.app }}\", needs = [test]"
        ),
        _RICH.replace("10m", "600s"),
        _RICH.replace("attempts = 3, on = [timeout]", "on = [timeout], attempts = 3"),
    ],
    ids=["comments", "env", "attributes", "units", "retry"],
)  # fmt: skip
def test_layout_and_order_of_keys_do_not_reach_the_digest(other: str) -> None:
    assert other != _RICH
    assert codec.digest(_compile(other)) == codec.digest(_compile(_RICH))


def test_a_change_of_meaning_changes_the_digest() -> None:
    assert codec.digest(_compile(_RICH)) != codec.digest(_compile(_RICH.replace("10m", "11m")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format":99}',
        b'{"format":1,"x":2}',
        b'{"format":1,"name":"p","params":[["n"]]}',
    ],
)
def test_bytes_that_are_no_definition_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(FormatError, match="definition"):
        codec.decode(data)


def test_true_and_one_are_told_apart_in_bytes() -> None:
    one = _compile('step a { run = ["x", 1] }')
    true = _compile('step a { run = ["x", true] }')
    assert codec.encode(one) != codec.encode(true)
    assert codec.digest(replace(one, name="q")) != codec.digest(one)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('step a { run = "x", timeout = 0s }', "T206"),
        ('step a { run = "x", timeout = "5" }', "T201"),
        ('step a { run = "x", max_parallel = 1.5 }', "T201"),
        ('step a { run = "x", idempotent = "yes" }', "T201"),
        ('step a { run = 5 }', "T603"),
        ('step a { run = [] }', "T309"),
        ('step a { run = "x", env { A = { b = 1 } } }', "T604"),
        ('step a { run = "x", retry { on = [crashed] } }', "T205"),
        ('step a { run = "x", retry { jitter = 1s } }', "T108"),
        ('step a { run = "x", needs = ["a-b"] }', "T201"),
        ('step a { run = "x", when = 1 }', "T201"),
        ('step a { run = "x", when = not "x" }', "T201"),
        ('step a { run = "x", when = 1 == true }', "T202"),
        ('step a { run = "x", when = succeeded() }', "T203"),
        ('step a { run = "x", when = done(b) }', "T301"),
        ('step a { run = "echo {{ -"x" }}" }', "T202"),
        ('step a { run = "echo {{ [1, 2].first }}" }', "T208"),
        ('step a { run = "echo {{ [1]["x"] }}" }', "T201"),
        ('step a { run = "echo {{ range(1, 2, stop = 3) | len }}" }', "T203"),
        ('step a { run = "echo {{ x.y.z }}" }', "T101"),
        ('step a { run = "echo {{ [x for x in 3] }}" }', "T215"),
        ('step a { run = "echo {{ run.id }}", workdir = 3 }', "T201"),
        ('step a { run = "echo {{ {a = 1, a = 2}.a }}" }', "T104"),
        ('let n = run.number\nstep a { run = "echo {{ n }}" }', "T109"),
        ('let n = later(1)\nstep a { run = "echo {{ n }} {{ n + 1 }}", timeout = n }', "T105"),
        ('param a: string = "x"\nstep a { run = "x" }', "T102"),
        ('step a for a in [1] { run = "x" }', "T102"),
        ('param p: int(5..1) = 3\nstep a { run = "{{ p }}" }', "T209"),
        ('param p: secret\nstep a { run = "{{ p }}" }', "T616"),
        ('step a { run = "x", executor }', "T113"),
        ('step a = other(1)', "T116"),
        ('schedule "* * *"\nstep a { run = "x" }', "T401"),
        ('schedule "0 0 30 2 *"\nstep a { run = "x" }', "T401"),
        ('schedule "@dayly"\nstep a { run = "x" }', "T401"),
        ('schedule "@daily" { jitter = 10 }\nstep a { run = "x" }', "T201"),
        ('defaults { env { A = b.c } }\nstep b { run = "x", output c: int }', "T109"),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_diagnostic(body: str, code: str) -> None:
    assert _codes(body) == [code]


def test_long_chains_of_lets_and_steps_are_read_without_recursion() -> None:
    lets = "\n".join(f"let l{n} = l{n + 1}" for n in range(3000)) + "\nlet l3000 = 1"
    steps = "\n".join(
        f'step s{n} {{ needs = [s{n + 1}], run = "{{{{ l0 }}}}" }}' for n in range(3000)
    )
    assert len(_compile(steps + '\nstep s3000 { run = "x" }', lets).steps) == 3001


def test_a_large_circle_is_told_once() -> None:
    steps = "\n".join(f'step s{n} {{ needs = [s{(n + 1) % 500}], run = "x" }}' for n in range(500))
    assert _codes(steps) == ["T302"]


def test_checking_imports_neither_pydantic_nor_dates_nor_plugins() -> None:
    program = (
        "import sys; from tidelang.compiler import *; from tidelang.source import Source\n"
        "r = compile_source(Source('x', 'pipeline p { step a { run = \"x\" } }'), NoPlugins())\n"
        "assert r.ok\n"
        "heavy = {'pydantic', 'cronsim', 'zoneinfo', 'pluggy', 'sqlmodel', 'tidemill'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_evaluating_imports_no_lark() -> None:
    program = "import sys, tidelang.evaluate; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
