"""The picture of the house is true: every room is in it, and each says what it is for."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURE = re.search(
    r"## The rooms\n+```text\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL
)
SOURCES = (
    "core/tidemill",
    "dsl/tidelang",
    "plugins/tidemill_docker",
    "plugins/tidemill_local",
    "plugins/tidemill_notify",
    "plugins/tidemill_secrets",
    "plugins/tidemill_ssh",
)
MODULES = [path for root in SOURCES for path in sorted((ROOT / root).rglob("*.py"))]
NOT_A_ROOM = {"versions"}  # what migrations hold


def rooms() -> set[str]:
    """Every package folder, by its own name."""
    found = {path.parent.name for path in MODULES if path.name == "__init__.py"}
    return found - NOT_A_ROOM


def named() -> set[str]:
    assert PICTURE is not None
    lines = [line[:37] for line in PICTURE[1].splitlines()]
    return {name for line in lines for name in re.findall(r"([a-z_]+)/", line)}


def test_every_package_is_in_the_picture() -> None:
    assert rooms() - named() == set()


def test_nothing_in_the_picture_is_made_up() -> None:
    top = {"core", "dsl", "plugins", "examples", "tests", "docs"}
    shown = named() - top
    roots = (*SOURCES, "tests")
    assert shown - {path.name for root in roots for path in ROOT.glob(f"{root}/**")} == set()
    assert all((ROOT / folder).is_dir() for folder in top)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/adr"
    listed = set(re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}
