"""A secret flows only where it stays one. Every place of the grammar that takes an
expression is tried, and every attribute of every block of the language."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from tidelang import blocks, source, syntax
from tidelang.compiler import NoPlugins, compile_source
from tidelang.definition import Definition, Script
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidelang.parser import parse
from tidelang.schema import Schema
from tidelang.source import Source
from tidelang.values import Secret, SecretName, to_json, to_text

CALL = 'secret("S")'
REFUSALS = frozenset({"T610", "T611", "T612", "T613", "T614", "T615", "T616", "T617", "T621"})


class _Registry(BaseModel):
    user: str = ""
    password: SecretStr = SecretStr("")


class _Vault(BaseModel):
    token: SecretStr = SecretStr("")
    address: str = ""
    anything: Any = None
    headers: dict[str, SecretStr] = {}
    keys: list[SecretStr] = []
    registry: _Registry = _Registry()


class _Plugins(NoPlugins):
    def notifier_kinds(self) -> tuple[str, ...]:
        return ("chat",)

    def executor_kinds(self) -> tuple[str, ...]:
        return ("local", "vault")

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        return _Vault if kind == "vault" else None

    def problem(self, kind: str) -> None:
        """All is well with them."""


def codes(text: str) -> list[str]:
    return [d.code for d in compile_source(Source("a.tide", text), _Plugins()).diagnostics]


def in_step(text: str) -> str:
    return f'pipeline p {{ step a {{\n{text}\n}}\nstep other {{ run = "true" }} }}'


def in_env(text: str) -> str:
    return in_step(f'run = "true"\nenv {{ X = {text} }}')


def meaning(text: str) -> Definition:
    compilation = compile_source(Source("a.tide", text), _Plugins())
    assert compilation.diagnostics == ()
    return compilation.definitions[0]


# --- every form of expression, and every item -------------------------------------------

FORMS: dict[str, tuple[str, str | None]] = {
    "Argument.value": (in_env("len(@)"), "T614"),
    "Attribute.value": (in_step('run = "true"\nworkdir = @'), "T610"),
    "Binary.left": (in_env('@ + "x"'), "T613"),
    "Binary.right": (in_env('"x" == @'), "T613"),
    "Block.labels": ('pipeline p { schedule @ {}\nstep a { run = "true" } }', "syntax"),
    "Call.function": (in_env("@()"), "T105"),
    "Comprehension.condition": (in_env("len([1 for x in [1] if @])"), "T613"),
    "Comprehension.element": (in_env("len([@ for x in [1]])"), "T612"),
    "Comprehension.iterable": (in_env("len([1 for x in @])"), "T612"),
    "Conditional.condition": (in_env("1 if @ else 2"), "T613"),
    "Conditional.otherwise": (in_env('"x" if 1 == 2 else @'), None),
    "Conditional.then": (in_env('@ if 1 == 2 else "x"'), None),
    "Entry.value": (in_env("json({ a = @ })"), "T612"),
    "For.iterable": ('pipeline p { step a for x in @ { run = "{{ x }}" } }', "T612"),
    "Hole.expression": (in_step('run = "echo {{ @ }}"'), None),
    "Index.index": (in_env("[1][@]"), "T612"),
    "Index.value": (in_env("@[0]"), "T612"),
    "Let.value": ('let x = @\npipeline p { step a { run = "{{ x }}" } }', None),
    "ListExpression.items": (in_env("len([@])"), "T612"),
    "Member.value": (in_env("@.name"), "T612"),
    "Output.value": (in_step('run = "true"\noutput o: file = @'), "T610"),
    "Param.default": (
        'pipeline p { param x: string = @\nstep a { run = "{{ x }}" } }',
        "T610",
    ),
    "Step.call": ("pipeline p { step a = @ }", "?"),
    "Unary.operand": (in_env("-@"), "T613"),
}


EXPRESSIONS = frozenset(typing.get_args(syntax.Expression))


def _places() -> Iterator[str]:
    """Every member of a node that is, or holds, an expression of any kind."""
    for name, kind in vars(syntax).items():
        if not (isinstance(kind, type) and is_dataclass(kind)):
            continue
        for member, hint in typing.get_type_hints(kind, {**vars(source), **vars(syntax)}).items():
            parts = (hint, *typing.get_args(hint))
            if any({*typing.get_args(part)} >= EXPRESSIONS for part in parts):
                yield f"{name}.{member}"


def _where_secrets_stand(node: Any) -> Iterator[str]:
    """The members of nodes that are a call of `secret`."""
    for member in fields(node):
        value = getattr(node, member.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, syntax.Call) and _is_secret(each):
                yield f"{type(node).__name__}.{member.name}"
            elif type(each).__module__ == syntax.__name__:
                yield from _where_secrets_stand(each)


def _is_secret(node: syntax.Call) -> bool:
    return isinstance(node.function, syntax.Name) and node.function.id == "secret"


def test_every_place_of_the_grammar_is_tried() -> None:
    assert sorted(FORMS) == sorted(_places())


@pytest.mark.parametrize("place", FORMS)
def test_a_secret_is_refused_once_in_every_form_but_those_that_keep_it_secret(place: str) -> None:
    text, wanted = FORMS[place]
    text = text.replace("@", CALL)
    if wanted == "syntax":
        assert codes(text)[0].startswith("T0")
        return
    assert [*_where_secrets_stand(parse(Source("a.tide", text)).file)] == [place]
    found = codes(text)
    assert found if wanted == "?" else found == ([] if wanted is None else [wanted])


# --- every attribute of every block --------------------------------------------------------


def _fields_of(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for field in schema.fields.values():
        yield path, field.name, field.type.name
    for kind, label in schema.blocks.items():
        inner = getattr(blocks, kind.upper(), None)
        if isinstance(inner, Schema) and kind not in path:
            yield from _fields_of(inner, (*path, f"{kind} {_LABELS.get(label, '')}"))


_LABELS = {"": "", "KIND": "chat", "CRON": '"@daily"', "NAME": "x"}
_ATTRIBUTES = [*_fields_of(blocks.PIPELINE, ()), *_fields_of(blocks.STEP, ("step a",))]


@pytest.mark.parametrize(("path", "name", "kind"), _ATTRIBUTES)
def test_no_attribute_of_the_language_takes_a_secret_but_one_that_is_a_secret(
    path: tuple[str, ...], name: str, kind: str
) -> None:
    body = f"{name} = {CALL}"
    for block in reversed(path):
        run = 'run = "true"\n' if block == "step a" and name != "run" else ""
        body = f"{block} {{\n{run}{body}\n}}"
    rest = "" if "step a" in path else '\nstep a { run = "true" }'
    found = codes(f"pipeline p {{\n{body}{rest}\n}}")
    if kind == "secret":
        assert not REFUSALS & {*found}
    else:
        assert REFUSALS & {*found}


# --- where one may stand -------------------------------------------------------------------

BEARER = '"Bearer {{ secret("S") }}"'


@pytest.mark.parametrize("value", [CALL, BEARER, f'{CALL} if 1 == 1 else secret("T")', "kept"])
@pytest.mark.parametrize(
    "place",
    [
        'run = "true"\nenv { X = @ }',
        'run = "true"\nenv { X = "a {{ @ }} b" }',
        'run = "echo {{ @ }}"',
        'run = """\n#!/usr/bin/env bash\ncurl -H \'{{ @ }}\' <<END\n{{ @ }}\nEND\n"""',
        'run = "true"\nexecutor vault { token = @ }',
        'run = "true"\nexecutor vault { token = @ if 1 == 2 else secret("X") }',
        'run = "true"\nexecutor vault { headers = { Authorization = @ } }',
        'run = "true"\nexecutor vault { keys = [@, secret("X")] }',
        'run = "true"\nexecutor vault { registry = { user = "me", password = @ } }',
    ],
)
def test_where_it_stays_secret_it_may_stand(place: str, value: str) -> None:
    text = f"let kept = {BEARER}\n" + in_step(place.replace("@", value))
    assert [code for code in codes(text) if code != "W101"] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (in_step(f'run = ["x", {CALL}]'), "T611"),
        (in_step(f'run = ["x", {BEARER}]'), "T611"),
        (in_step(f'run = "x {{{{ {CALL} | raw }}}}"'), "T614"),
        (in_step(f'run = "ssh h {{{{ {CALL} | sh }}}}"'), "T614"),
        (in_step(f'run = "x {{{{ {CALL} | upper }}}}"'), "T614"),
        (in_step(f'run = "x {{{{ json({CALL}) }}}}"'), "T614"),
        (in_step(f'run = "x {{{{ default({CALL}, 1) }}}}"'), "T614"),
        (in_step(f'run = "echo $(( {{{{ {CALL} }}}} ))"'), "T601"),
        (in_step(f'run = "x", description = {BEARER}'), "T610"),
        (in_step(f'run = "x", when = {CALL} == "x"'), "T613"),
        (in_step(f'run = "x", when = {CALL}'), "T610"),
        (in_step(f'run = "x", timeout = {CALL}'), "T610"),
        (in_step(f'run = "x"\nexecutor vault {{ address = {CALL} }}'), "T610"),
        (in_step(f'run = "x"\nexecutor vault {{ anything = {CALL} }}'), "T610"),
        (in_step(f'run = "x"\nexecutor vault {{ anything = [{CALL}] }}'), "T612"),
        (in_step('run = "x"\nexecutor vault { token = "hunter2" }'), "T618"),
        (in_step(f'run = "x"\nexecutor vault {{ registry = {{ user = {CALL} }} }}'), "T610"),
        (in_step('run = "x"\nexecutor vault { registry = { password = "x" } }'), "T618"),
        (in_step('run = "x"\nexecutor vault { token = run.id }'), "T618"),
        (in_step('run = "x"\nexecutor vault { token = json([1]) }'), "T618"),
        (in_step('run = "x"\nenv { X = secret() }'), "T615"),
        (in_step('run = "x"\nenv { X = secret("A", "B") }'), "T615"),
        (in_step('run = "x"\nenv { X = secret(run.id) }'), "T615"),
        (in_step('run = "x"\nenv { X = secret("{{ run.id }}") }'), "T615"),
        (in_step('run = "x"\nenv { X = secret("") }'), "T615"),
        (in_step('run = "x"\nenv { X = secret("A B") }'), "T615"),
        (in_step(f'run = "x"\nenv {{ X = [1] if 1 == 1 else {CALL} }}'), "T621"),
        (in_step('run = secret("S")'), "T610"),
        ('pipeline p { param x: secret = "a"\nstep a { run = "{{ x }}" } }', "T616"),
        ('pipeline p { param x: map(secret)\nstep a { run = "{{ json(x) }}" } }', "T619"),
        (in_step('run = "x"\noutput x: secret'), "T617"),
        (f'let x = [{CALL}]\npipeline p {{ step a {{ run = "{{{{ x[0] }}}}" }} }}', "T612"),
        (in_step('run = "x"\nenv { X = secrt("A") }'), "T105"),
    ],
)
def test_elsewhere_there_is_one_mistake(text: str, code: str) -> None:
    assert codes(text) == [code]


def test_a_let_that_is_a_secret_is_one_wherever_its_name_stands() -> None:
    head = f'let token = {CALL}\nlet auth = "Bearer {{{{ token }}}}"\n'
    assert codes(head + in_step('run = "true"\nenv { A = auth }')) == []
    assert codes(head + in_step('run = ["true", auth]')) == ["T611"]


def test_every_refusal_says_why_and_names_the_way_out() -> None:
    result = compile_source(Source("a.tide", in_step(f'run = ["x", {CALL}]')), _Plugins())
    (told,) = result.diagnostics
    assert told.message == "an argument of a program can be seen by everyone on the machine"
    assert told.fix is not None
    assert "put it into `env`" in told.fix.message
    assert any("may stand in `env`" in note for note in told.notes)


# --- what it means ---------------------------------------------------------------------------


def test_the_definition_holds_names_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", "hunter2")
    step = meaning(in_step(f'run = "echo {{{{ {CALL} }}}}"\nenv {{ X = {BEARER} }}')).steps[0]
    assert isinstance(step.action, Script)
    assert step.action.variables[0].value == ("secret", "S")
    assert step.env == (("X", ("text", (("lit", "Bearer "), ("secret", "S")))),)


def test_working_it_out_gives_names_in_their_text() -> None:
    expr = ("text", (("lit", "a-"), ("secret", "S"), ("lit", 1)))
    assert evaluate(expr, Scope()) == Secret(("a-", SecretName("S"), "1"))
    assert evaluate(("text", (expr, ("lit", "!"))), Scope()) == Secret(
        ("a-", SecretName("S"), "1", "!")
    )


def test_text_that_looks_like_a_secret_is_text() -> None:
    name = SecretName("S")
    assert Secret(("S", str(name), repr(name), name)).text({"S": "v"}) == f"S{name}{name!r}v"


@pytest.mark.parametrize("turn", [to_json, to_text])
def test_a_secret_has_no_text_and_no_json(turn: Any) -> None:
    with pytest.raises(TypeError):
        turn(Secret((SecretName("S"),)))


def test_no_function_works_on_one_even_where_it_was_not_checked() -> None:
    with pytest.raises(EvaluationError):
        evaluate(("call", "json", (("secret", "S"),), ()), Scope())
    with pytest.raises(EvaluationError):
        evaluate(("op", "+", ("lit", "x"), ("secret", "S")), Scope())
