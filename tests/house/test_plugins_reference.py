"""The contract with plugins is documented: every hook, its arguments, what it returns, what
its exceptions do, and all that a plugin may import."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tidelang import bounds
from tidemill import spi
from tidemill.app import observers, policies
from tidemill.engine import observing
from tidemill.plugins.reference import hooks, names, renewed

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "plugins.md"
TEXT = PAGE.read_text("utf-8")


def _section(name: str) -> str:
    _, _, rest = TEXT.partition(f"\n### {name}\n")
    return re.split(r"\n##+ ", rest)[0]


def _words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_is_fresh() -> None:
    told = "run: python -m tidemill.plugins.reference docs/reference/plugins.md"
    assert renewed(TEXT) == TEXT, told


def test_there_are_hooks() -> None:
    assert {"tidemill_executors", "tidemill_event", "tidemill_before_dispatch"} <= set(hooks())
    assert len(hooks()) == sum(1 for name in dir(spi.Hooks) if not name.startswith("_"))


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_says_when_it_is_called_what_it_returns_and_what_an_exception_does(
    hook: str,
) -> None:
    section = _words(_section(hook))
    function = hooks()[hook]
    assert f"def {hook}(" in section
    for argument in list(inspect.signature(function).parameters)[1:]:
        assert f"`{argument}`" in section, f"nothing is said of {argument}"
    assert re.search(r"\bCalled\b", section), "when and where is it called?"
    assert re.search(r"\b(Offers|[Rr]eturns)\b", section), "what does it return?"
    assert re.search(r"\b[Ee]xception\b", section), "what does an exception do?"


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_stands_in_the_table_of_processes(hook: str) -> None:
    assert re.search(rf"(?m)^\| `{hook}` \|( [^|]+ \|){{3}}$", TEXT)


@pytest.mark.parametrize("name", names())
def test_what_a_plugin_may_import_is_explained(name: str) -> None:
    prose = re.sub(r"```.*?```", "", _section(name), flags=re.DOTALL).strip()
    assert len(prose.split()) >= 3, f"nothing is said of {name}"


@pytest.mark.parametrize("name", [n for n in names() if inspect.isclass(getattr(spi, n))])
def test_every_method_of_a_type_is_explained(name: str) -> None:
    kind, section = getattr(spi, name), _section(name)
    for method, function in vars(kind).items():
        if not method.startswith("_") and inspect.isfunction(function):
            assert f"def {method}(" in section, f"nothing is said of {name}.{method}"


def test_every_name_stands_in_the_page_and_no_other() -> None:
    headings = set(re.findall(r"(?m)^### (\w+)$", TEXT))
    assert headings == {*hooks(), *names()}


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    event = _words(_section("tidemill_event"))
    assert f"{observing.TRIES} times in all" in event
    assert f"longer than {observers.LONGEST:g} seconds" in event
    policy = _words(_section("tidemill_before_dispatch"))
    assert f"more than {policies.SLOW * 1000:g} ms" in policy
    assert f"{bounds.MAX_ITEMS:,} items and {bounds.MAX_TEXT:,} characters" in TEXT
    assert f"`TIDEMILL_SPI = {spi.VERSION}`" in _section("VERSION")
