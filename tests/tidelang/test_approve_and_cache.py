"""Steps that wait for a person, steps that need not run again, and patterns for files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang import codec
from tidelang.compiler import NoPlugins, compile_source
from tidelang.definition import Approval, Cache, Definition, Step
from tidelang.globs import glob_problem
from tidelang.source import Source


def _definition(body: str) -> Definition:
    result = compile_source(Source("t.tide", f"pipeline p {{\n{body}\n}}\n"), NoPlugins())
    assert not result.diagnostics, [(d.code, d.message) for d in result.diagnostics]
    assert codec.decode(codec.encode(result.definitions[0])) == result.definitions[0]
    return result.definitions[0]


def _step(body: str, name: str = "a") -> Step:
    return next(step for step in _definition(body).steps if step.name == name)


def _found(body: str) -> list[tuple[str, str]]:
    """Codes, and what is underlined."""
    result = compile_source(Source("t.tide", f"pipeline p {{\n{body}\n}}\n"), NoPlugins())
    return [(d.code, d.span.text) for d in result.diagnostics]


# --- approve ---------------------------------------------------------------------------


def test_an_approval_has_its_question_its_people_and_its_patience() -> None:
    step = _step('step a { approve { prompt = "Go?", by = ["ada", "ops"], timeout = 4h } }')
    assert step.action == Approval(("lit", "Go?"), ("ada", "ops"), 14_400_000)


def test_a_question_that_uses_an_output_makes_the_step_a_dependency() -> None:
    build = 'step build { run = "make", output digest: string }\n'
    step = _step(build + 'step a { approve { prompt = "Ship {{ build.digest }}?" } }')
    assert step.needs == ("build",)


def test_without_a_question_the_step_and_its_run_are_named() -> None:
    action = _step("step a { approve }").action
    assert isinstance(action, Approval)
    assert ("ref", "run", "number") in action.prompt[1]
    assert 'Approve "a" of ' in str(action.prompt)


def test_defaults_do_not_reach_an_approval() -> None:
    defaults = 'defaults { timeout = 1m, retry { attempts = 3 }, cache { inputs = ["x"] } }\n'
    step = _step(defaults + "step a { approve }")
    assert step == Step("a", step.action)


def test_an_approval_may_be_fanned_out_and_asked_when() -> None:
    step = _step(
        'param prod: bool = true\nstep a for s in ["x", "y"] {\n'
        'when = prod, allow_failure = true, max_parallel = 1, description = "d"\n'
        'approve { prompt = "Ship {{ s }}?" }\n}'
    )
    assert step.loop is not None
    assert step.when == ("ref", "param", "prod")
    assert (step.allow_failure, step.max_parallel, step.description) == (True, 1, "d")


@pytest.mark.parametrize(
    ("setting", "underlined"),
    [
        ("timeout = 1m", "timeout"),
        ('workdir = "x"', "workdir"),
        ("idempotent = true", "idempotent"),
        ("env { A = 1 }", "env"),
        ("retry { attempts = 2 }", "retry"),
        ("executor local", "executor"),
        ('cache { inputs = ["x"] }', "cache"),
        ("output x: string", "output"),
    ],
)
def test_what_is_about_running_is_refused_beside_approve(setting: str, underlined: str) -> None:
    assert _found(f"step a {{\n{setting}\napprove\n}}") == [("T330", underlined)]


def test_a_step_that_calls_a_task_that_approves_runs_nothing_either() -> None:
    head = "task ask() { approve { timeout = 1m } }\n"
    text = f"{head}pipeline p {{ step a = ask() {{ timeout = 2m, allow_failure = true }} }}\n"
    result = compile_source(Source("t.tide", text), NoPlugins())
    assert [(d.code, d.span.text) for d in result.diagnostics] == [("T330", "timeout")]


def test_run_and_approve_together_are_one_mistake() -> None:
    assert _found('step a { run = "x", timeout = 1m, approve }') == [("T331", "run")]


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("[]", [("T332", "[]")]),
        ('["ada", "ada"]', [("T332", '"ada"')]),
        ('["ada", " "]', [("T332", '" "')]),
        ('"ada"', [("T201", '"ada"')]),
        ("[1]", [("T201", "1")]),
        ("[who]", [("T101", "who")]),
        ("[n]", [("T210", "[n]")]),
    ],
)
def test_by_is_a_list_of_different_names(by: str, found: list[tuple[str, str]]) -> None:
    body = f'param n: string = "x"\nstep a {{ approve {{ by = {by}, prompt = n }} }}'
    assert _found(body) == found


# --- cache -----------------------------------------------------------------------------


def test_a_cache_has_patterns_a_key_and_an_age() -> None:
    step = _step(
        'param v: string = "1"\n'
        'step a { run = "x", '
        'cache { inputs = ["src/**", "{{ v }}/*"], key = [v, 1], max_age = 7d } }'
    )
    v = ("ref", "param", "v")
    assert step.cache == Cache(
        (("lit", "src/**"), ("text", (v, ("lit", "/*")))),
        ("list", (v, ("lit", 1))),
        604_800_000,
    )


def test_patterns_may_come_from_a_list_known_or_not() -> None:
    known = _step('let xs = ["a", "b"]\nstep a { run = "x", cache { inputs = xs } }').cache
    late = _step('param xs: list(string) = []\nstep a { run = "x", cache { inputs = xs } }').cache
    assert known == Cache((("lit", "a"), ("lit", "b")))
    assert late == Cache((("ref", "param", "xs"),))


def test_a_cache_lies_over_that_of_defaults_member_by_member() -> None:
    defaults = 'defaults { cache { inputs = ["src/**"], max_age = 1d } }\n'
    assert _step(defaults + 'step a { run = "x", cache { max_age = 1h } }').cache == Cache(
        (("lit", "src/**"),), None, 3_600_000
    )


def test_a_cache_of_defaults_is_not_laid_under_a_step_with_an_effect() -> None:
    defaults = 'defaults { cache { inputs = ["src/**"] } }\n'
    assert _step(defaults + 'step a { run = "x", idempotent = false }').cache is None
    assert _step(defaults + 'step a { run = "x" }').cache is not None


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ('step a { run = "x", cache }', [("W306", "cache")]),
        ('step a for v in [1, 2] { run = "x {{ v }}", cache }', [("W306", "cache")]),
        ('let v = 2\nstep a { run = "x {{ v }}", cache }', [("W306", "cache")]),
        ('step a { run = "x {{ n }}", cache }', []),
        ('step a for v in [n] { run = "x {{ v }}", cache }', []),
        ('let v = n + "x"\nstep a { run = "x {{ v }}", cache }', []),
        ('step a { run = "x", cache { max_age = 1d } }', []),
        ('step a { run = "x", env { A = run.id }, cache { max_age = 1d } }', [("W307", "cache")]),
        ('step a { run = "x {{ run.pipeline }}", cache }', []),
        ('step a { run = "x", idempotent = false, cache { key = n } }', [("W308", "cache")]),
        ('defaults { cache { key = run.number } }\nstep a { run = "x" }', [("W307", "a")]),
    ],
)
def test_a_cache_that_is_there_in_vain_is_warned_of(
    step: str, found: list[tuple[str, str]]
) -> None:
    used = 'step use { run = "echo {{ n }}", idempotent = false }'
    assert _found(f'param n: string = "x"\n{step}\n{used}') == found


def test_a_cache_is_not_warned_of_where_the_step_is_wrong_anyway() -> None:
    assert _found('step a { run = "x {{ y }}", cache }') == [("T101", "y")]


# --- patterns --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["", " ", "/x", "..", "../x", "a/../../x", "[a", "a[!]", "[]", "x[]]["]
)  # fmt: skip
def test_a_pattern_that_cannot_be_right_is_told(pattern: str) -> None:
    assert glob_problem(pattern) is not None
    assert _found(f'step a {{ run = "x", output o: file = "{pattern}" }}') == [
        ("T333", f'"{pattern}"')
    ]


@pytest.mark.parametrize(
    "pattern", ["x", "**/*.py", "a/../b", "./x", "[[]x", "[]]", "[!]]", "a]", "..x/y", "x..", "a b"]
)  # fmt: skip
def test_a_pattern_that_may_be_right_is_let_be(pattern: str) -> None:
    assert glob_problem(pattern) is None


def test_a_pattern_that_is_known_only_in_a_run_is_let_be() -> None:
    body = 'param d: string = "x"\nstep a { run = "x", output o: file = "{{ d }}/../../y" }'
    assert _found(body) == []


@given(st.lists(st.sampled_from(["a", "*", "..", ".", "b[x]"]), min_size=1, max_size=8))
def test_a_pattern_leaves_its_folder_where_its_parts_lead_above_it(parts: list[str]) -> None:
    here: list[str] = []
    left = False
    for part in parts:
        if part == "..":
            left = left or not here
            here = here[:-1]
        elif part != ".":
            here.append(part)
    assert (glob_problem("/".join(parts)) is not None) == left
