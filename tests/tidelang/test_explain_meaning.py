"""Every code of the checks has a page, and every page keeps its word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pydantic
import pytest
from explained import example
from memory_files import compiled

import tidelang
from tidelang import codes
from tidelang.compiler import NoPlugins
from tidelang.schema import Template

_ROOT = Path(tidelang.__file__).parent
_EMITTED = {
    code
    for path in _ROOT.rglob("*.py")
    for code in re.findall(r'"([TW](?:[1-9]\d\d|09[67]))"', path.read_text("utf-8"))
}
_OF_THE_PARSER = re.compile(r"T0[0-8]|T09[0-5]")
_PAGES = sorted(code for code in codes.all_codes() if not _OF_THE_PARSER.match(code))


class _Docker(pydantic.BaseModel):
    image: str = pydantic.Field(pattern=r"[^:]$")


class _Vault(pydantic.BaseModel):
    token: pydantic.SecretStr


class _Chat(pydantic.BaseModel):
    url: pydantic.SecretStr
    message: Annotated[str, Template()] = ""


class _Plugins(NoPlugins):
    def notifier_kinds(self) -> tuple[str, ...]:
        return ("chat",)

    def notifier_settings(self, kind: str) -> type[pydantic.BaseModel]:
        return {"chat": _Chat}[kind]

    def executor_kinds(self) -> tuple[str, ...]:
        return ("docker", "local", "vault")

    def executor_settings(self, kind: str) -> type[pydantic.BaseModel] | None:
        return {"docker": _Docker, "vault": _Vault}.get(kind)

    def problem(self, kind: str) -> str | None:
        return "it needs a newer Python" if kind == "broken" else None


def _found(code: str, heading: str) -> list[str]:
    result = compiled(example(code, heading), _Plugins())
    return [diagnostic.code for diagnostic in result.diagnostics]


def test_every_code_that_is_emitted_has_a_page() -> None:
    assert sorted(_EMITTED) == _PAGES


@pytest.mark.parametrize("code", _PAGES)
def test_the_failing_example_gives_this_mistake_and_no_other(code: str) -> None:
    assert _found(code, "Fails") == [code]


@pytest.mark.parametrize("code", _PAGES)
def test_the_passing_example_gives_nothing(code: str) -> None:
    assert _found(code, "Passes") == []


@pytest.mark.parametrize("code", _PAGES)
def test_a_page_has_a_title_and_says_why(code: str) -> None:
    page = codes.page(code) or ""
    assert codes.title(code)
    assert len(page.partition("## Fails")[0].split("\n", 1)[1].strip()) > 20
