"""Triggers: what they may use, and what becomes of it when an event comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelang import codec
from tidelang.compiler import NoPlugins, compile_source
from tidelang.definition import Trigger
from tidelang.evaluate import MissingError, Scope, evaluate
from tidelang.source import Source

_STEP = 'step a { run = "echo {{ version }}" }'


def _compiled(body: str, head: str = "") -> Any:
    text = f'{head}\npipeline p {{\nparam version: string = "x"\n{_STEP}\n{body}\n}}\n'
    return compile_source(Source("t.tide", text), NoPlugins())


def _trigger(body: str, head: str = "") -> Trigger:
    result = _compiled(body, head)
    assert not result.diagnostics, [(d.code, d.message) for d in result.diagnostics]
    definition = result.definitions[0]
    assert codec.decode(codec.encode(definition)) == definition
    (trigger,) = definition.triggers
    return trigger  # type: ignore[no-any-return]


def _found(body: str, head: str = "") -> list[tuple[str, str]]:
    return [(d.code, d.span.text) for d in _compiled(body, head).diagnostics]


def _fix(body: str) -> str | None:
    (told,) = _compiled(body).diagnostics
    return told.fix.replacement if told.fix else None


def test_a_trigger_decides_and_gives_params_by_its_event_alone() -> None:
    trigger = _trigger(
        'trigger event "git.push" {\n'
        "when = event.branch == main and not event.draft\n"
        'params = { version = "{{ event.sha }}-{{ main }}" }\n}',
        'let main = "main"',
    )
    scope = Scope({"event": {"branch": "main", "draft": False, "sha": "abc"}})
    assert trigger.when is not None
    assert evaluate(trigger.when, scope) is True
    assert [(name, evaluate(expr, scope)) for name, expr in trigger.params] == [
        ("version", "abc-main")
    ]


def test_a_field_that_the_sender_left_out_is_named() -> None:
    trigger = _trigger('trigger event "a" { when = event.branch == "main" }')
    assert trigger.when is not None
    with pytest.raises(MissingError, match=r"`event\.branch` has no value here"):
        evaluate(trigger.when, Scope({"event": {"sha": "abc"}}))


def test_what_is_known_now_stands_in_the_definition_as_a_value() -> None:
    trigger = _trigger(
        "trigger pipeline nightly { when = n > 1, params = { version = string(n) } }", "let n = 2"
    )
    assert trigger == Trigger(
        "pipeline", "nightly", ("succeeded",), ("lit", True), (("version", ("lit", "2")),)
    )


def test_a_let_that_only_triggers_use_stands_in_the_definition_as_its_value_alone() -> None:
    result = _compiled('trigger event "a" { when = event.n > n }', "let n = 2")
    assert result.definitions[0].lets == ()


def test_a_comprehension_in_a_trigger_keeps_its_variable() -> None:
    trigger = _trigger(
        'trigger event "a" { when = len([x for x in event.files if starts_with(x, src)]) > 0 }',
        'let src = "src/"',
    )
    assert trigger.when is not None
    for files, runs in ((["src/a"], True), (["docs/a"], False)):
        assert evaluate(trigger.when, Scope({"event": {"files": files}})) is runs


def test_ends_of_a_pipeline_are_kept_in_one_order_and_once() -> None:
    trigger = _trigger("trigger pipeline nightly { on = [failed, succeeded, failed] }")
    assert trigger.on == ("succeeded", "failed")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("trigger", [("T113", "trigger")]),
        ("trigger pipline x", [("T406", "pipline")]),
        ("trigger git x", [("T406", "git")]),
        ("trigger pipeline x y", [("T113", "y")]),
        ('trigger webhook "hook" { secret = secret("H") }', [("T113", '"hook"')]),
        ('trigger event "a..b"', [("T407", '"a..b"')]),
        ('trigger event ""', [("T407", '""')]),
        ('trigger event "git.>"', [("T407", '"git.>"')]),
        ("trigger pipeline p", [("T408", "p")]),
        ("trigger pipeline q { on = [succeded] }", [("T205", "succeded")]),
        ("trigger pipeline q { on = succeeded }", [("T101", "succeeded")]),
        ("trigger webhook w", [("T211", "trigger")]),
        ('trigger event "a" { on = [failed] }', [("T108", "on")]),
        ('trigger event "a" { when = event.n + 1 }', []),
        ('trigger event "a" { when = 1 }', [("T201", "1")]),
        ('trigger event "a" { params = { version = a.b } }', [("T109", "a.b")]),
        ('trigger event "a" { params = { version = version } }', [("T210", "version")]),
        ('trigger event "a" { params = event.params }', [("T201", "event.params")]),
        ('trigger event "a" { params = { version = 1 } }', [("T201", "1")]),
        ('trigger event "a" { when = false }', [("W402", "false")]),
        ('let e = event.x', [("T109", "event.x")]),
        ('schedule "@daily" { params = { version = event.x } }', [("T109", "event.x")]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_trigger_is_told_once_at_its_place(
    body: str, found: list[tuple[str, str]]
) -> None:
    assert _found(body) == found


@pytest.mark.parametrize(
    ("body", "replacement"),
    [
        ("trigger pipline x", "pipeline"),
        ('trigger pipeline "x"', "x"),
        ("trigger event push", '"push"'),
        ('trigger event "git push"', '"git.push"'),
        ('trigger event "a" { params = { versoin = "1" } }', "version"),
    ],
)
def test_a_slip_in_a_trigger_has_its_fix(body: str, replacement: str) -> None:
    assert _fix(body) == replacement


@given(
    st.recursive(
        st.sampled_from(["event.n", "n", "2", "m"]),
        lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        max_leaves=6,
    ),
    st.integers(-5, 5),
)
def test_a_trigger_means_what_it_would_with_its_lets_at_hand(text: str, n: int) -> None:
    trigger = _trigger(
        f'trigger event "a" {{ params = {{ version = "{{{{ {text} }}}}" }} }}',
        "let n = 3\nlet m = n * n\nlet _use = [n, m]",
    )
    expected = eval(text.replace("event.n", str(n)), {"n": 3, "m": 9})  # noqa: S307  our own
    assert evaluate(trigger.params[0][1], Scope({"event": {"n": n}})) == str(expected)
