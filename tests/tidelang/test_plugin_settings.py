"""A plugin's settings: the types that the language makes of its model, and the model's own
word on values that are known when a file is compiled."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from tidelang.compiler import NoPlugins, compile_source
from tidelang.diagnostics import Diagnostic
from tidelang.models import from_pydantic
from tidelang.schema import Template
from tidelang.source import Source
from tidelang.types import Struct, show
from tidelang.values import Duration, Size, to_setting


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Auth(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str
    password: SecretStr = SecretStr("")
    inner: Auth | None = None


class Box(BaseModel):
    model_config = ConfigDict(extra="forbid")
    image: str = Field("x", pattern=r"^[a-z:0-9]+$")
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = []
    auth: Auth | None = None
    least: int = 0
    most: int = 10
    name: str = ""
    token: SecretStr = SecretStr("")
    wait: timedelta = timedelta(0)
    memory: ByteSize = ByteSize(0)

    @field_validator("name")
    @classmethod
    def not_root(cls, name: str) -> str:
        if name == "root":
            raise ValueError("root may do too much")
        return name

    @model_validator(mode="after")
    def ordered(self) -> Box:
        if self.least > self.most:
            raise ValueError("least is over most")
        return self


class Fragile(BaseModel):
    first: str = ""
    second: str = ""

    @field_validator("second")
    @classmethod
    def looks_back(cls, second: str, info: Any) -> str:
        if info.data["first"] == second:
            raise ValueError("they are the same")
        return second


class _Plugins(NoPlugins):
    def executor_kinds(self) -> tuple[str, ...]:
        return ("box", "fragile", "local", "open")

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        return {"box": Box, "fragile": Fragile, "open": Open}.get(kind)

    def executor_origin(self, kind: str) -> str:
        return "tide-box 1.2" if kind == "box" else ""


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 0


def told(text: str) -> list[Diagnostic]:
    return list(compile_source(Source("a.tide", text), _Plugins()).diagnostics)


def in_step(settings: str, kind: str = "box", head: str = "") -> list[Diagnostic]:
    return told(
        f'pipeline p {{ {head}\nstep a {{ run = "true"\nexecutor {kind} {{ {settings} }} }} }}'
    )


# --- types -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (str, "string"),
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (PositiveInt, "int(1..)"),
        (Annotated[int, Field(gt=0, lt=10)], "int(1..9)"),
        (Annotated[float, Field(ge=0.5)], "float(0.5..)"),
        (list[Annotated[int, Field(ge=1, le=3)]], "list(int(1..3))"),
        (timedelta, "duration"),
        (datetime, "time"),
        (Path, "string"),
        (ByteSize, "size"),
        (SecretStr, "secret"),
        (SecretStr | None, "secret"),
        (dict[str, SecretStr], "map(secret)"),
        (Literal["a", "b"], '"a" | "b"'),
        (Literal[1, 2], "int"),
        (Literal[1, "a"], "any"),
        (Colour, '"red" | "blue"'),
        (Level, "int"),
        (HttpUrl, "string"),
        (IPv4Address, "string"),
        (list[str], "list(string)"),
        (set[int], "list(int)"),
        (tuple[str, ...], "list(string)"),
        (list, "list"),
        (dict[str, int], "map(int)"),
        (str | int, "any"),
        (str | None, "string"),
        (Any, "any"),
        (SecretStr | str, "string | secret"),
        (dict[str, SecretStr | str], "map(string | secret)"),
        (Annotated[str, Template()], "template"),
        (Annotated[str | None, Template()], "template"),
        (Annotated[str, Template()] | None, "template"),
    ],
)
def test_the_type_of_a_setting(hint: Any, wanted: str) -> None:
    model = type("M", (BaseModel,), {"__annotations__": {"x": hint}})
    assert show(from_pydantic("m", model, templates=True).fields["x"].type) == wanted


def test_only_notifiers_have_templates() -> None:
    model = type("M", (BaseModel,), {"__annotations__": {"x": Annotated[str, Template()]}})
    assert show(from_pydantic("m", model).fields["x"].type) == "string"


def test_a_model_within_a_model_has_the_types_of_its_members() -> None:
    auth = from_pydantic("box", Box).fields["auth"].type
    assert isinstance(auth, Struct)
    assert {name: show(kind) for name, kind in auth.fields[:2]} == {
        "user": "string",
        "password": "secret",
    }


def test_a_model_within_itself_comes_to_an_end() -> None:
    text = "user = 1"
    for _ in range(20):
        text = f"inner = {{ {text} }}"
    assert [d.code for d in in_step(f"auth = {{ user = 'x', {text} }}".replace("'", '"'))] != []


def test_values_reach_a_plugin_as_what_pydantic_reads() -> None:
    value = [Duration(90_000), Duration(1_500), Size(1024), {"a": True, "b": None}]
    assert to_setting(value) == [90, 1.5, 1024, {"a": True, "b": None}]
    box = Box.model_validate({"wait": to_setting(Duration(1_500)), "memory": to_setting(Size(10))})
    assert (box.wait, box.memory) == (timedelta(seconds=1.5), 10)


# --- the model's own word -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message", "underlined"),
    [
        ('image = "Bad!"', "`image`: string should match pattern", '"Bad!"'),
        ('name = "root"', "`name`: root may do too much", '"root"'),
        ('auth = { user = "x", inner = {} }', "`auth.inner.user`: field required", "{}"),
        ("least = 5, most = 1", "these settings: least is over most", "executor"),
        ("wait = 1s, least = 11", "these settings: least is over most", "executor"),
        ('image = "a" + "!"', "`image`: string should match pattern", '"a" + "!"'),
    ],
)  # fmt: skip
def test_what_the_model_refuses_is_told_where_it_stands(
    settings: str, message: str, underlined: str
) -> None:
    (mistake,) = in_step(settings)
    assert mistake.code == "T505"
    assert mistake.message.startswith(f"executor `box` refuses {message}")
    assert mistake.span.text == underlined
    assert "settings of executor `box` come from tide-box 1.2" in mistake.notes


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("imgae = 'x'", "T108"),
        ("image = 1", "T201"),
        ("ports = [0]", "T206"),
        ("ports = [80, 70_000]", "T206"),
        ("auth = { user = 'x', pasword = 1 }", "T108"),
        ("auth = { user = 1 }", "T201"),
        ("token = 'x'", "T618"),
    ],
)
def test_what_the_schema_says_is_not_told_again_and_names_the_plugin(
    settings: str, code: str
) -> None:
    (mistake,) = in_step(settings.replace("'", '"'))
    assert mistake.code == code
    assert "settings of executor `box` come from tide-box 1.2" in mistake.notes


@pytest.mark.parametrize(
    "settings",
    [
        "image = v",
        'image = "{{ v }}!"',
        "least = n, most = 1",
        'least = 5, most = n',
        'token = secret("T"), wait = 1h30m, memory = 512MiB, ports = [80]',
        'auth = { user = "x", password = secret("P") }',
        'name = "roo{{ v }}"',
    ],
)  # fmt: skip
def test_of_what_is_not_known_nothing_is_said(settings: str) -> None:
    head = 'param v: string = "x"\nparam n: int = 1'
    assert [d.code for d in in_step(settings, head=head) if d.code != "W102"] == []


def test_what_is_known_is_looked_at_beside_what_is_not() -> None:
    found = in_step('image = v, name = "root"', head='param v: string = "x"')
    assert [d.message for d in found] == ["executor `box` refuses `name`: root may do too much"]


def test_a_validator_that_fails_on_what_is_missing_does_no_harm() -> None:
    head = 'param v: string = "x"'
    assert in_step('first = v, second = "x"', "fragile", head) == []
    assert [d.code for d in in_step('first = "x", second = "x"', "fragile")] == ["T505"]


def test_defaults_are_judged_with_the_step_that_uses_them_and_told_once() -> None:
    found = told("""
pipeline p {
  defaults { executor box { least = 5, name = "root" } }
  step a { run = "true" }
  step b { run = "true", executor box { image = "y" } }
  step c { run = "true", executor local {} }
}
""")
    assert [(d.message.rpartition(": ")[2], d.span.text) for d in found] == [
        ("root may do too much", '"root"')
    ]
    (clash,) = told("""
pipeline p {
  defaults { executor box { least = 5 } }
  step a { run = "true", executor box { most = 1 } }
}
""")
    assert clash.message == "executor `box` refuses these settings: least is over most"
    assert clash.span.first.line == 4


def test_a_default_that_a_step_makes_wrong_shows_both() -> None:
    (found,) = told("""
pipeline p {
  defaults { executor box { name = "root" } }
  step a { run = "true", executor box { image = "y" } }
}
""")
    assert found.span.first.line == 3
    assert [related.span.first.line for related in found.related] == [4]


def test_a_model_that_takes_anything_takes_anything_but_a_secret() -> None:
    assert in_step("known = 1, other = [1]", "open") == []
    assert [d.code for d in in_step('other = secret("X")', "open")] == ["T610"]
